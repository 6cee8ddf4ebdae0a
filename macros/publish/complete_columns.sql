{#
    BigQuery: returns the columns to insert into a dated table, which are those of the model. A column
    that the table lacks is added here, because a transaction does not allow that. A column that
    the model no longer has, or has with another type, stops the call; `runner tenant repair`,
    which calls dbt with --empty, drops it or changes its type. One ALTER TABLE takes several
    columns, but one kind of change.
#}
{% macro complete_columns(target, query, columns) -%}
    {%- set wanted = columns_of_model(query) -%}
    {%- set differing, found, added, dropped, changes = [], [], [], [], [] -%}
    {%- for column in columns -%}
        {%- do found.append(column.name) -%}
        {%- if column.name not in wanted -%}
            {%- do differing.append(column.name ~ ', which the model has no more') -%}
            {%- do dropped.append('drop column ' ~ column.name) -%}
        {%- elif not is_same_type(column.data_type, wanted[column.name]) -%}
            {%- do differing.append(
                column.name ~ ' as ' ~ column.data_type ~ ' instead of ' ~ wanted[column.name]
            ) -%}
            {%- do changes.append(
                'alter column ' ~ column.name ~ ' set data type ' ~ wanted[column.name]
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if differing and not is_empty_build() -%}
        {%- do exceptions.raise_compiler_error(
            "The table " ~ target.identifier ~ " has the column " ~ differing | join('; ')
            ~ ": run `runner tenant repair " ~ tenant_id() ~ "`."
        ) -%}
    {%- endif -%}
    {%- for name, type in wanted.items() if name not in found -%}
        {%- do added.append('add column if not exists ' ~ name ~ ' ' ~ type) -%}
    {%- endfor -%}
    {%- for change in [added | join(', '), dropped | join(', ')] + changes if change -%}
        {%- do run_query('alter table ' ~ target ~ ' ' ~ change) -%}
    {%- endfor -%}
    {{ return(wanted.keys()) }}
{%- endmacro %}
