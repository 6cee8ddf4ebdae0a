{#
    Returns the columns to insert into a dated table. Without a contract they are the table's own.
    With a contract they are the contract's: a column that the table lacks is added here, because a
    transaction does not allow that; a column that the contract no longer has stops the call.
#}
{% macro complete_columns(target, query, columns) -%}
    {%- set found = {} -%}
    {%- for column in columns -%}
        {%- do found.update({column.name: column.data_type | lower | replace(' ', '')}) -%}
    {%- endfor -%}
    {%- if not config.get('contract').enforced -%}
        {{ return(found.keys() | list) }}
    {%- endif -%}
    {%- for column in model.columns.values() if column.name not in found -%}
        {%- do run_query(
            'alter table ' ~ target ~ ' add column if not exists ' ~ column.name ~ ' ' ~ column.data_type
        ) -%}
    {%- endfor -%}
    {%- for name in found if name not in model.columns -%}
        {%- do exceptions.raise_compiler_error(
            "The table " ~ target ~ " has a column " ~ name ~ " that the model's contract has not:"
            ~ " run `runner tenant repair " ~ tenant_id() ~ "`."
        ) -%}
    {%- endfor -%}
    {{ return(model.columns.keys() | list) }}
{%- endmacro %}
