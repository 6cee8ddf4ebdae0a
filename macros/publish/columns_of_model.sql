{#
    BigQuery: the columns that the model at hand gives, {name: type}: by its contract, and without one
    by its query, of which no row is read. Not by get_column_schema_from_query of dbt, which gives
    the fields of a struct as columns.
#}
{% macro columns_of_model(query) -%}
    {%- set found = {} -%}
    {%- if config.get('contract').enforced -%}
        {%- for column in model.columns.values() -%}
            {%- do found.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for column in adapter.get_columns_in_select_sql(get_empty_subquery_sql(query)) -%}
            {%- do found.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
