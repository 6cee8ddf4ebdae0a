{#
    The columns that the model at hand gives, {name: type} as the engine names it: by its contract,
    and without one by its query, of which no row is read.
#}
{% macro columns_of_model(query) -%}
    {%- set found = {} -%}
    {%- if config.get('contract').enforced -%}
        {%- for column in model.columns.values() -%}
            {%- do found.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for column in get_column_schema_from_query(query) -%}
            {%- do found.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}
