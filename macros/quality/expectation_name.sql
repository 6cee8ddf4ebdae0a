{# The name of an expectation: its own, else its kind. An unknown kind stops the call. #}
{% macro expectation_name(expectation) -%}
    {%- set kinds = [
        'grain', 'never_null', 'one_of', 'holds', 'one_value', 'sums_to', 'every_date',
        'matches_export', 'written_lately', 'is_the_tenants_own', 'has_an_owner', 'has_its_accounts',
        'written_until_the_end', 'has_no_new_columns', 'has_lost_no_columns',
    ] -%}
    {%- set found = kinds | select('in', expectation) | list -%}
    {%- if found | length != 1 -%}
        {%- do exceptions.raise_compiler_error(
            "An expectation is one of " ~ kinds | join(', ') ~ ", and this is not: "
            ~ tojson(expectation) ~ ". See dbt_project/docs/quality.md."
        ) -%}
    {%- elif not modules.re.fullmatch('[a-z][a-z0-9_]{0,99}', expectation.get('name', found[0])) -%}
        {%- do exceptions.raise_compiler_error(
            "The name of an expectation is characters from a to z, 0 to 9 and _: "
            ~ expectation.name
        ) -%}
    {%- endif -%}
    {{ return(expectation.get('name', found[0])) }}
{%- endmacro %}
