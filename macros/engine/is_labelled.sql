{#
    True when the labels of a charge (labels_of_charge) have this key of this kind. The array is never
    joined: with many dates in one call, one row for each of its elements takes all the memory there is.
#}
{% macro is_labelled(all_labels, kind, key) -%}
    {{ adapter.dispatch('is_labelled')(all_labels, kind, key) }}
{%- endmacro %}

{% macro duckdb__is_labelled(all_labels, kind, key) -%}
    len(list_filter({{ all_labels }}, lambda item: item.kind = {{ kind }} and item.key = {{ key }})) > 0
{%- endmacro %}

{% macro bigquery__is_labelled(all_labels, kind, key) -%}
    exists(select 1 from unnest({{ all_labels }}) as item where item.kind = {{ kind }} and item.key = {{ key }})
{%- endmacro %}
