{#
    The UTC instant at which an invoice month (YYYYMM) begins in Google's billing time zone, or
    the month so many months later: the next month's beginning is a month's exclusive end.
#}
{% macro billing_period_start(invoice_month, months_later=0) -%}
    {{ adapter.dispatch('billing_period_start')(invoice_month, months_later) }}
{%- endmacro %}

{% macro duckdb__billing_period_start(invoice_month, months_later) -%}
    cast(
        (strptime({{ invoice_month }} || '01', '%Y%m%d') + interval {{ months_later }} month)
        at time zone 'America/Los_Angeles' at time zone 'UTC' as timestamp
    )
{%- endmacro %}

{% macro bigquery__billing_period_start(invoice_month, months_later) -%}
    timestamp(
        date_add(parse_date('%Y%m', {{ invoice_month }}), interval {{ months_later }} month),
        'America/Los_Angeles'
    )
{%- endmacro %}
