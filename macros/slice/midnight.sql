{#
    The literal of a day's beginning in UTC. With its offset: BigQuery reads a literal without one in the
    project's `default_time_zone`.
#}
{% macro midnight(day) -%}
    timestamp '{{ day }} 00:00:00+00'
{%- endmacro %}
