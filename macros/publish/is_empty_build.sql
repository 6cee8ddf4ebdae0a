{# Whether dbt was called with --empty: tables are made, and no date is replaced or published. #}
{% macro is_empty_build() -%}
    {{ return(invocation_args_dict.get('empty') is true) }}
{%- endmacro %}
