{#
    One row per usage date, billing account, currency, label kind and key: how much of the bill
    has the label. For a longer time sum the costs and divide anew: shares do not add up.
#}
{{ config(materialized='view') }}

with label_values as (

    select * from {{ ref('cost_by_label_daily') }}

),

coverage as (

    select
        -- keys
        usage_date,
        billing_account_id,
        currency,
        label_kind,
        label_key,

        -- measures
        {{ money('sum(case when is_untagged then 0 else billed_cost end)') }} as labelled_cost,
        {{ money('sum(case when is_untagged then billed_cost else 0 end)') }} as untagged_cost,
        {{ money('sum(billed_cost)') }} as billed_cost

    from label_values
    group by usage_date, billing_account_id, currency, label_kind, label_key

),

shares as (

    select
        *,
        {{ divide('untagged_cost', 'billed_cost') }} as untagged_share
    from coverage

)

select * from shares
