{#
    DuckDB: the number of the first line of an NDJSON file that is not an object, not counting empty ones;
    none when all are.
#}
{% macro broken_json_line(file) -%}
    {%- set query -%}
        select min(line_number)
        from (
            select row_number() over () as line_number, json
            from read_ndjson_objects({{ quote_text(glob_text(file)) }}, ignore_errors = true)
        )
        where coalesce(json_type(json), 'NULL') <> 'OBJECT'
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0]) }}
{%- endmacro %}
