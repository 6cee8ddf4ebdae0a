{#
    One row per usage date, billing account, currency, label kind, key and value. Take one kind
    and key, and its rows add up to the complete bill of any dates: what lacks the key is in the
    value `(untagged)`, also on dates on which nothing had it. That is why this is a view: a key
    that is new today is missing from all dates before. Key `(any)`: has a charge any label of
    the kind; kind `any`: of whichever kind.
#}
{{ config(materialized='view') }}

with label_costs as (

    select * from {{ ref('label_cost_daily') }}

),

totals as (

    select
        usage_date,
        billing_account_id,
        currency,
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost
    from label_costs
    where label_kind = 'any'
    group by usage_date, billing_account_id, currency

),

label_keys as (

    select
        label_kind,
        label_key
    from label_costs
    group by label_kind, label_key

),

keys_by_date as (

    select
        usage_date,
        label_kind,
        label_key
    from label_costs
    group by usage_date, label_kind, label_key

),

absent as (

    select
        totals.usage_date,
        totals.billing_account_id,
        totals.currency,
        label_keys.label_kind,
        label_keys.label_key,
        '(untagged)' as label_value,
        true as is_untagged,
        totals.charge_rows,
        totals.gross_cost,
        totals.credits_total,
        totals.billed_cost
    from totals
    cross join label_keys
    left join keys_by_date
        on
            totals.usage_date = keys_by_date.usage_date
            and label_keys.label_kind = keys_by_date.label_kind
            and label_keys.label_key = keys_by_date.label_key
    where keys_by_date.label_key is null

),

label_values as (

    select
        -- keys
        usage_date,
        billing_account_id,
        currency,
        label_kind,
        label_key,
        label_value,
        is_untagged,

        -- measures
        charge_rows,
        gross_cost,
        credits_total,
        billed_cost
    from label_costs

    union all

    select * from absent

)

select * from label_values
