{#
    The columns of a dated table for the rows of this call: those of the model's contract, which are
    added to the table where it lacks them (no transaction admits that), else the table's own. A
    column that the contract has no more, or of another type, stops the call.
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
