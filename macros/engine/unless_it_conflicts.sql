{# An update that, where BigQuery cancels it because of another, changes nothing and does not fail. #}
{% macro unless_it_conflicts(update) -%}
    {{ adapter.dispatch('unless_it_conflicts')(update) }}
{%- endmacro %}

{% macro duckdb__unless_it_conflicts(update) -%}
    {{ update }}
{%- endmacro %}

{% macro bigquery__unless_it_conflicts(update) -%}
    begin
        {{ update }};
    exception when error then
        select @@error.message as details_not_kept;
    end
{%- endmacro %}
