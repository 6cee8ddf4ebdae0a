{#
    The first and last usage date of this call, both in, from the vars `date`, or `from_date`
    and `to_date`. Read when the statement runs, never when dbt parses: one parsed project
    serves many dates (DECISIONS: slice dates are read at run time). `dbt compile` and
    `dbt docs generate` load nothing: without dates they show the SQL of yesterday.
#}
{% macro slice_dates() -%}
    {%- if not execute -%}
        {{ return(['1970-01-01', '1970-01-01']) }}
    {%- endif -%}
    {%- if model.resource_type == 'model' and is_deployed_once(graph.nodes.get(model.unique_id)) -%}
        {%- do exceptions.raise_compiler_error(
            "The view " ~ model.name ~ " uses the dates of a call, but it is built once for all dates: leave"
            ~ " them to the model that reads it, or make it a table."
        ) -%}
    {%- endif -%}
    {%- set first = var('from_date', none) or var('date', none) -%}
    {%- set last = var('to_date', none) or var('date', none) -%}
    {%- if not has_slice() and invocation_args_dict.get('which') in ['compile', 'generate'] -%}
        {%- set yesterday = (run_started_at - modules.datetime.timedelta(days=1)).strftime('%Y-%m-%d') -%}
        {{ return([yesterday, yesterday]) }}
    {%- endif -%}
    {%- if first is none or last is none -%}
        {%- do exceptions.raise_compiler_error(
            "The dates are missing. Call dbt with --vars '{tenant_id: " ~ tenant_id()
            ~ ", date: 2024-11-02}', or with from_date and to_date."
        ) -%}
    {%- endif -%}
    {%- for day in [first | string, last | string] -%}
        {%- if not modules.re.fullmatch('[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])', day) -%}
            {%- do exceptions.raise_compiler_error("'" ~ day ~ "' is not a date: write YYYY-MM-DD.") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if first | string > last | string -%}
        {%- do exceptions.raise_compiler_error(
            "from_date " ~ first ~ " is after to_date " ~ last ~ ": swap them."
        ) -%}
    {%- endif -%}
    {{ return([first | string, last | string]) }}
{%- endmacro %}
