{# A group by of the columns, or none when there are none. #}
{% macro grouped_by(columns) -%}
    {{ 'group by ' ~ columns | join(', ') if columns }}
{%- endmacro %}
