{#
    An on-run-start hook for `make dbt-unit`, which sets the var create_declared_tables: an empty table
    for each contract, in a file that has no other use. dbt asks the tables for their columns where a
    unit test gives an input's rows as dicts or CSV. Never set it for a tenant: a run would find tables
    that it did not make.
#}
{% macro create_declared_tables() -%}
    {%- set nodes = graph.nodes.values() if execute and var('create_declared_tables', false) else [] -%}
    {%- for node in nodes -%}
        {%- set columns = node.columns.values() | selectattr('data_type') | list -%}
        {%- if node.resource_type == 'model' and columns -%}
            {%- set table = api.Relation.create(database=node.database, schema=node.schema, identifier=node.name) -%}
            {%- do adapter.create_schema(table.without_identifier()) -%}
            create table if not exists {{ table }} (
            {%- for column in columns %}
                {{ adapter.quote(column.name) }} {{ column.data_type }}{{ ',' if not loop.last }}
            {%- endfor %}
            );
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
