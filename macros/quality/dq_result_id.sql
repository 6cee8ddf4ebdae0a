{# The id of a row of x_meta_dq_results: one for each call, table and level of severity. #}
{% macro dq_result_id(name) -%}
    {{ return(local_md5(invocation_id ~ name)) }}
{%- endmacro %}
