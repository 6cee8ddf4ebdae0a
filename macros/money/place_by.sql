{#
    The place of a row by a measure, highest first, among the rows that are alike in `within`;
    equals share a place. It cuts nothing off: every row keeps its place.
#}
{% macro place_by(measure, within) -%}
    rank() over (partition by {{ within }} order by {{ measure }} desc)
{%- endmacro %}
