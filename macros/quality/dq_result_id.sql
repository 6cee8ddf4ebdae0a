{# The id of a row of x_meta_dq_results: of this call, and of a test or of the model summed up. #}
{% macro dq_result_id(id) -%}
    {{ return(local_md5(invocation_id ~ id)) }}
{%- endmacro %}
