{#
    A text field of a charge's commitment credits; null without such a credit. Where a charge
    has several, the last in order of the alphabet, so that a rerun gives the same.
#}
{% macro commitment_credit(field) -%}
    {{ adapter.dispatch('commitment_credit')(
        field, credit_class('item.type') ~ " = 'committed_use'"
    ) }}
{%- endmacro %}

{% macro duckdb__commitment_credit(field, where) -%}
    list_max(list_transform(list_filter(credits, lambda item: {{ where }}), lambda item: item.{{ field }}))
{%- endmacro %}

{% macro bigquery__commitment_credit(field, where) -%}
    (select max(item.{{ field }}) from unnest(credits) as item where {{ where }})
{%- endmacro %}
