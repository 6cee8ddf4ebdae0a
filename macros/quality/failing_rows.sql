{#
    Some of the rows that a failing test found, as JSON for people to look at: at most 5. The
    count of all of them is the test's own. None for a test that passed or could not run.
#}
{% macro failing_rows(result) -%}
    {%- if result.status | string not in ('fail', 'warn') or not result.node.compiled_code -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set found = run_query(
        'select * from (' ~ result.node.compiled_code ~ ') as failing_rows limit 5'
    ) -%}
    {%- set rows = [] -%}
    {%- for row in found.rows -%}
        {%- set cells = {} -%}
        {%- for name in found.column_names -%}
            {%- do cells.update({name: none if row[name] is none else row[name] | string}) -%}
        {%- endfor -%}
        {%- do rows.append(cells) -%}
    {%- endfor -%}
    {{ return(tojson(rows)) }}
{%- endmacro %}
