{#
    True for a row of an opened export without a valid billing account, in full and as Google writes it:
    the tenant's filter would drop the row of any other without a word. So that is what a damaged file
    has there: nothing, a part of another row, a space before it.
#}
{% macro has_no_account() -%}
    not coalesce({{ adapter.dispatch('is_an_account')('^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$') }}, false)
{%- endmacro %}

{% macro duckdb__is_an_account(pattern) -%}
    regexp_full_match(cast(billing_account_id as varchar), '{{ pattern }}')
{%- endmacro %}

{% macro bigquery__is_an_account(pattern) -%}
    regexp_contains(billing_account_id, r'{{ pattern }}')
{%- endmacro %}
