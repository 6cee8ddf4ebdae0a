{#
    Some of the rows that a test found, as a JSON array for people to look at: at most 5, and of
    what is long at most 200 characters of each cell. The count of all rows is the test's own.
#}
{% macro sample_rows(compiled_code) -%}
    {%- set found = run_query(
        'select ' ~ json_text('found') ~ ' from (' ~ compiled_code ~ ') as found limit 5'
    ) -%}
    {%- set rows = [] -%}
    {%- for row in found.rows -%}
        {%- do rows.append(row[0] if row[0] | length <= 2000 else with_short_cells(row[0])) -%}
    {%- endfor -%}
    {{ return('[' ~ rows | join(', ') ~ ']') }}
{%- endmacro %}
