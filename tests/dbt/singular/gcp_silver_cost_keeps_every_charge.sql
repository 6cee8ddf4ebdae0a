{#
    Silver has as many rows per date as billing_cost_daily: a filter or a join that slipped
    into its SQL would drop or double charges whose cost happens to be zero, unseen by sums.
#}
with both_sides as (

    select
        ingestion_date as usage_date,
        1 as billing_rows,
        0 as silver_rows
    from {{ ref('billing_cost_daily') }}
    where {{ date_in_tested_slice('ingestion_date') }}

    union all

    select
        usage_date,
        0 as billing_rows,
        1 as silver_rows
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_tested_slice('usage_date') }}

)

select
    usage_date,
    sum(billing_rows) as rows_in_billing,
    sum(silver_rows) as rows_in_silver
from both_sides
group by usage_date
having sum(billing_rows) <> sum(silver_rows)
