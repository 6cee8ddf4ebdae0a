{#
    Lets a test's `where` say `in_slice(<date column>)`: the dates of this call, read when the
    test runs. Shadows dbt's macro of this name, which knows only what stood in the YAML when
    dbt parsed. Without dates in the vars such a test looks at all dates.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set sliced = modules.re.fullmatch('in_slice[(]([A-Za-z_0-9]+)[)]', where | trim) -%}
    {%- set condition = date_in_tested_slice(sliced.group(1)) if sliced else where -%}
    (select * from {{ relation }} where {{ condition }}) as dbt_subquery
{%- endmacro %}
