{#
    One row per usage date, billing account, project, service and currency whose cost stands
    out from the four weeks before it, and does not come once a month: the rows of cost_movers
    that should be reviewed.
#}
{{ config(materialized='view') }}

with movers as (

    select * from {{ ref('cost_movers') }}
    where is_anomaly

),

anomalies as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,

        -- attributes
        project_name,
        service_description,
        is_settled,

        -- measures
        billed_cost,
        median_28_day_cost,
        median_weekday_cost,
        change_28_day_cost,
        change_28_day_percent,
        monthly_cost,
        change_monthly_cost,
        threshold_cost,
        case when billed_cost - monthly_cost > median_28_day_cost then 'spike' else 'drop' end
            as direction

    from movers

)

select * from anomalies
