{#
    One row per usage date, billing account, project, service, resource and currency: what each
    resource cost, by day. Charges without a resource (tax, support, many services, all of a
    standard export) are `(no resource)`: left out, a list of resources would pass for the bill.
#}
with charges as (

    select
        *,
        resource_name is not null or resource_global_name is not null as has_resource
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

resources as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        has_resource,
        coalesce(resource_name, resource_global_name, '(no resource)') as resource_name,
        resource_global_name,
        currency,

        -- attributes
        max(project_name) as project_name,
        max(service_description) as service_description,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost

    from charges
    group by
        usage_date, billing_account_id, project_id, service_id, has_resource,
        coalesce(resource_name, resource_global_name, '(no resource)'), resource_global_name,
        currency

)

select * from resources
