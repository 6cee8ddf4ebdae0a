{#
    Rows, cost and credits of the export and of the landing differ by exactly 0, per usage date and
    currency, as billing_cost_daily_reconciles_to_export has it for a bill: tenants that read the
    landing would all lose what it lost. Without dates nothing is judged.
#}
with landed as (

    select
        usage_start_time,
        currency,
        export_time,
        1 as landed_rows,
        0 as exported_rows,
        cost as landed_cost,
        {{ money('0') }} as exported_cost,
        credits_total as landed_credits,
        {{ money('0') }} as exported_credits
    from {{ ref('export_landing') }}
    where {{ in_slice('usage_start_time') if has_slice() else '1 = 0' }}

),

landing_made as (

    select max(loaded_at) as loaded_at
    from {{ ref('export_landing') }}
    where {{ in_slice('usage_start_time') if has_slice() else '1 = 0' }}

),

both_sides as (

    select * from landed

    union all

    select
        usage_start_time,
        currency,
        export_time,
        0 as landed_rows,
        1 as exported_rows,
        {{ money('0') }} as landed_cost,
        cost as exported_cost,
        {{ money('0') }} as landed_credits,
        {{ sum_money('credits', 'amount') }} as exported_credits
    from {{ ref('stg_gcp_billing__export') }}
    where
    {%- if has_slice() %}
        {{ in_slice('usage_start_time') }}
        and {{ exported_since_slice('export_partition_time', days_before=8) }}
    {%- else %}
        1 = 0
    {%- endif %}

),

compared as (

    select
        cast(both_sides.usage_start_time as date) as usage_date,
        both_sides.currency,
        sum(both_sides.landed_rows) as landed_rows,
        sum(both_sides.exported_rows) as exported_rows,
        coalesce(sum(both_sides.landed_cost), 0) as landed_cost,
        coalesce(sum(both_sides.exported_cost), 0) as exported_cost,
        coalesce(sum(both_sides.landed_credits), 0) as landed_credits,
        coalesce(sum(both_sides.exported_credits), 0) as exported_credits
    from both_sides
    cross join landing_made
    where
        both_sides.export_time is null
        or landing_made.loaded_at is null
        or both_sides.export_time <= landing_made.loaded_at
    group by cast(both_sides.usage_start_time as date), both_sides.currency

)

select * from compared
where
    landed_rows <> exported_rows
    or landed_cost <> exported_cost
    or landed_credits <> exported_credits
