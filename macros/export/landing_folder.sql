{# On DuckDB: where a landing's Parquet files are, beside the tenants' own files. #}
{% macro landing_folder(name) -%}
    {{ modules.re.sub('[^/]*$', '', target.path) ~ 'landing/' ~ name }}
{%- endmacro %}
