{# The id of a row of x_meta_dq_results: of this call, and of a table at one level of severity. #}
{% macro dq_result_id(name) -%}
    {{ return(local_md5(invocation_id ~ name)) }}
{%- endmacro %}
