{# The statement that fills a seed's table with rows, a query. #}
{% macro load_seed_rows(model, rows, names) -%}
    {{ adapter.dispatch('load_seed_rows')(model, rows, names) }}
{%- endmacro %}

{#
    The table was made or emptied just before, in the same transaction; its columns stand in the
    order that the file had when it was made.
#}
{% macro duckdb__load_seed_rows(model, rows, names) -%}
    insert into {{ this }} ({{ names | join(', ') }})
    {{ rows }}
{%- endmacro %}

{# One statement, so that another run never finds the table missing or filled twice. #}
{% macro bigquery__load_seed_rows(model, rows, names) -%}
    create or replace table {{ this }}
    {{ bigquery_table_options(config, model) }}
    as
    {{ rows }}
{%- endmacro %}
