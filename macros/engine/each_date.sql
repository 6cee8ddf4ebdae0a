{# The dates from one to another, both in, as a table of one column, usage_date, to be cross joined. #}
{% macro each_date(first, last) -%}
    {{ adapter.dispatch('each_date')(first, last) }}
{%- endmacro %}

{% macro duckdb__each_date(first, last) -%}
    unnest(
        list_transform(
            generate_series({{ first }}, {{ last }}, interval 1 day), lambda day: cast(day as date)
        )
    ) as each_date (usage_date)
{%- endmacro %}

{% macro bigquery__each_date(first, last) -%}
    unnest(generate_date_array({{ first }}, {{ last }})) as usage_date
{%- endmacro %}
