{#
    Some of the rows that each test found which failed or warned, as JSON arrays for people to
    look at: at most 5 of each, by the test's unique id. One statement for all of them. The count
    of all rows is the test's own.
#}
{% macro sample_rows(results) -%}
    {%- set samples, queries = {}, [] -%}
    {%- for result in results if result.status | string in ('fail', 'warn') -%}
        {%- do samples.update({result.node.unique_id: []}) -%}
        {%- set query -%}
            (
                select {{ quote_text(result.node.unique_id) }}, {{ json_text('found') }}
                from ({{ failing_rows(result.node) }}) as found
                limit 5
            )
        {%- endset -%}
        {%- do queries.append(query) -%}
    {%- endfor -%}
    {%- if queries -%}
        {%- for row in run_query(queries | join(' union all ')).rows -%}
            {%- do samples[row[0]].append(row[1]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for id in samples -%}
        {%- do samples.update({id: '[' ~ samples[id] | join(', ') ~ ']'}) -%}
    {%- endfor -%}
    {{ return(samples) }}
{%- endmacro %}
