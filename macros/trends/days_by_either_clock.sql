{#
    A query for the days of `days` (cost_by_account_daily with month_number), by UTC, and for the lines of
    `invoice_lines` (invoice_cost_daily), by Pacific time: these have no usage_date, and their cost is
    billed_cost_pacific.
#}
{% macro days_by_either_clock(days, invoice_lines) -%}
    select
        usage_month,
        billing_account_id,
        currency,
        month_number,
        usage_date,
        is_loaded,
        is_settled,
        billed_cost,
        {{ money('0') }} as billed_cost_pacific
    from {{ days }}

    union all

    select
        usage_month_pacific as usage_month,
        billing_account_id,
        currency,
        cast(substr(usage_month_pacific, 1, 4) as bigint) * 12
        + cast(substr(usage_month_pacific, 5, 2) as bigint) as month_number,
        cast(null as date) as usage_date,
        false as is_loaded,
        false as is_settled,
        {{ money('0') }} as billed_cost,
        billed_cost as billed_cost_pacific
    from {{ invoice_lines }}
{%- endmacro %}
