{#
    True when dbt was called with --empty: tables are created, and no date is replaced or published.
#}
{% macro is_empty_build() -%}
    {{ return(invocation_args_dict.get('empty') is true) }}
{%- endmacro %}
