{#
    One row per usage date, billing account, project, service and currency: what each
    service cost, by day. Descriptions are taken as of the day; keys decide.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

services as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,

        -- attributes
        max(service_description) as service_description,
        max(project_name) as project_name,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(promotion_credits)') }} as promotion_credits,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(billed_cost_usd)') }} as billed_cost_usd

    from charges
    group by usage_date, billing_account_id, project_id, service_id, currency

)

select * from services
