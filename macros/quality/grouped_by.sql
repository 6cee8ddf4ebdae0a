{# A GROUP BY of the columns; nothing when there are none. #}
{% macro grouped_by(columns) -%}
    {{ 'group by ' ~ columns | join(', ') if columns }}
{%- endmacro %}
