{#
    One row per usage month, billing account, project, service, resource and currency, ranked by
    net cost within month and currency. All rows are there, so that they add up to the month;
    the reader chooses how many of the top to read. What has no resource has no rank.
#}
{{ config(materialized='view') }}

with resource_days as (

    select
        *,
        {{ year_month('usage_date') }} as usage_month
    from {{ ref('cost_by_resource_daily') }}

),

resources as (

    select
        -- keys
        usage_month,
        billing_account_id,
        project_id,
        service_id,
        has_resource,
        resource_name,
        resource_global_name,
        currency,

        -- attributes
        max(project_name) as project_name,
        max(service_description) as service_description,

        -- measures
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost,

        -- time
        min(usage_date) as first_usage_date,
        max(usage_date) as last_usage_date

    from resource_days
    group by
        usage_month, billing_account_id, project_id, service_id, has_resource, resource_name,
        resource_global_name, currency

),

ranked as (

    select
        *,
        case
            when has_resource
                then {{ place_by('billed_cost', within='usage_month, currency, has_resource') }}
        end as resource_rank,
        {{ divide('billed_cost', 'sum(billed_cost) over (partition by usage_month, currency)') }}
            as share_of_month
    from resources

)

select * from ranked
