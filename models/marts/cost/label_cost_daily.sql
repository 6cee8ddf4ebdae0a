{#
    One row per usage date, billing account, currency, label kind, key and value: what charges
    with that label cost, and for each key of the date what charges without it cost. The
    building block of cost_by_label_daily. A charge is in once for each key, so figures add up
    within a key and never across keys. What lacks a key is summed from its charges, not taken
    as the rest of the total: so a charge counted twice shows. Charges with the same labels go
    together first, or each would meet every key.
#}
with charges as (

    select
        *,
        {{ labels_of_charge() }} as all_labels
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

label_sets as (

    select
        usage_date,
        billing_account_id,
        currency,
        any_value(all_labels) as all_labels,
        count(*) as charge_rows,
        sum(gross_cost) as gross_cost,
        sum(credits_total) as credits_total,
        sum(billed_cost) as billed_cost
    from charges
    group by usage_date, billing_account_id, currency, {{ json_text('all_labels') }}

),

labelled as (

    select
        usage_date,
        billing_account_id,
        currency,
        item.kind as label_kind,
        item.key as label_key,
        item.value as label_value,
        charge_rows,
        gross_cost,
        credits_total,
        billed_cost
    from label_sets
    cross join unnest(all_labels) as item

),

date_keys as (

    select
        usage_date,
        label_kind,
        label_key
    from labelled
    group by usage_date, label_kind, label_key

),

untagged as (

    select
        label_sets.usage_date,
        label_sets.billing_account_id,
        label_sets.currency,
        date_keys.label_kind,
        date_keys.label_key,
        cast(null as string) as label_value,
        label_sets.charge_rows,
        label_sets.gross_cost,
        label_sets.credits_total,
        label_sets.billed_cost
    from label_sets
    inner join date_keys on label_sets.usage_date = date_keys.usage_date
    where not {{ is_labelled('all_labels', 'date_keys.label_kind', 'date_keys.label_key') }}

),

charges_by_key as (

    select * from labelled

    union all

    select * from untagged

),

label_costs as (

    select
        -- keys
        usage_date,
        billing_account_id,
        currency,
        label_kind,
        label_key,
        coalesce(label_value, '(untagged)') as label_value,
        label_value is null as is_untagged,

        -- measures
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost

    from charges_by_key
    group by
        usage_date, billing_account_id, currency, label_kind, label_key,
        coalesce(label_value, '(untagged)'), label_value is null

)

select * from label_costs
