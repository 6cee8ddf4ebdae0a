{# Empties the table of a seed of which this tenant's rows alone are loaded, see load_csv_rows. #}
{% macro reset_seed(model, full_refresh, old_relation, agate_table) -%}
    {{ return(adapter.dispatch('reset_seed')(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}

{% macro duckdb__reset_seed(model, full_refresh, old_relation, agate_table) -%}
    {{ return(default__reset_csv_table(model, full_refresh, old_relation, agate_table)) }}
{%- endmacro %}

{# dbt loads nothing of a file with a header alone: then the table is replaced here. #}
{% macro bigquery__reset_seed(model, full_refresh, old_relation, agate_table) -%}
    {%- if agate_table.rows | length == 0 -%}
        {%- do load_csv_rows(model, agate_table) -%}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}
