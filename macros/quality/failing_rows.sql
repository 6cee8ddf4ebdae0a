{#
    The query of a test of this call, which gives the rows that fail it. dbt-core keeps it with
    the test; dbt v2 does not, so there it is rendered once more, from the same arguments.
#}
{% macro failing_rows(test) -%}
    {%- if test.compiled_code -%}
        {{ return(test.compiled_code) }}
    {%- elif not test.test_metadata -%}
        {{ return(render(test.raw_code)) }}
    {%- endif -%}
    {%- set arguments = {} -%}
    {%- for name, value in test.test_metadata.kwargs.items() -%}
        {%- set is_call = value is string and modules.re.fullmatch('ref[(].*[)]', value) -%}
        {%- set value = '{' ~ '{ ' ~ value ~ ' }' ~ '}' if is_call else value -%}
        {%- do arguments.update({name: render(value) if value is string else value}) -%}
    {%- endfor -%}
    {%- do arguments.update({'model': rows_where(arguments.model, test.config.where)}) -%}
    {{ return(context['test_' ~ test.test_metadata.name](**arguments)) }}
{%- endmacro %}
