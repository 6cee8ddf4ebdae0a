{#
    The rows of a relation that a test's `where` leaves; `in_slice(<date column>)` in it are the
    dates of this call, read when the test runs, and all dates when the call names none.
#}
{% macro rows_where(relation, where) -%}
    {%- set where = (where or '') | trim -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set is_sliced = modules.re.fullmatch('in_slice[(][A-Za-z_0-9]+[)]', where) -%}
    {%- set condition = date_in_tested_slice(where[9:-1]) if is_sliced else where -%}
    (select * from {{ relation }} where {{ condition }}) as dbt_subquery
{%- endmacro %}
