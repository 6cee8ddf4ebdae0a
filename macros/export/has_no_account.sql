{# True for a row of an opened export without a billing account; a second header has its name there. #}
{% macro has_no_account(export) -%}
    coalesce(trim(billing_account_id), '') in ('' {{- ", 'billing_account_id'" if export.form == 'text' -}} )
{%- endmacro %}
