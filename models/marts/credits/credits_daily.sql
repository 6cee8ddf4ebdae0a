{#
    One row per usage date, billing account, project, service, credit (type, id, name, full name)
    and currency: which credits lower the bill, by how much. The one place where the array of
    credits is joined: all money here is the credits' own, none of it is the charge's.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

given as (

    select
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,
        service_description,
        project_name,
        item.type as credit_type,
        item.id as credit_id,
        item.name as credit_name,
        item.full_name as credit_full_name,
        coalesce(item.amount, 0) as amount,
        {{ credit_class('item.type') }} as credit_class
    from charges
    cross join unnest(credits) as item

),

credits as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        credit_type,
        credit_id,
        credit_name,
        credit_full_name,
        currency,

        -- attributes: a class follows from the type
        credit_class,
        case credit_class
            when 'promotion' then 'payment'
            when 'fee_offset' then 'fee_offset'
            when 'other' then 'unknown'
            else 'saving'
        end as credit_role,
        max(service_description) as service_description,
        max(project_name) as project_name,

        -- measures
        count(*) as credit_count,
        {{ money('sum(amount)') }} as credit_amount,
        {{ money('sum(case when amount > 0 then amount else 0 end)') }} as positive_credit_amount

    from given
    group by
        usage_date, billing_account_id, project_id, service_id, credit_type, credit_id, credit_name,
        credit_full_name, currency, credit_class

)

select * from credits
