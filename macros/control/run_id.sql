{# The run that writes: the runner's pipeline_logging_id, under bare dbt dbt's own invocation id. #}
{% macro run_id() -%}
    {%- set id = var('pipeline_logging_id', none) or invocation_id -%}
    {%- if not modules.re.fullmatch('[0-9a-zA-Z-]{1,64}', id) -%}
        {%- do exceptions.raise_compiler_error("The var pipeline_logging_id is not a valid run id: " ~ id) -%}
    {%- endif -%}
    {{ return(id) }}
{%- endmacro %}
