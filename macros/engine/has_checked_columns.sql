{#
    Whether an earlier call has already compared the columns of the model at hand with its contract and
    its table, and nothing can have changed since. On DuckDB the comparisons take four queries a table. On
    BigQuery they take none, see complete_columns.
#}
{% macro has_checked_columns() -%}
    {{ return(adapter.dispatch('has_checked_columns')()) }}
{%- endmacro %}

{% macro default__has_checked_columns() -%}
    {{ return(
        is_deployed() and config.get('contract').enforced and reads_only_contracts(model.unique_id)
    ) }}
{%- endmacro %}

{% macro bigquery__has_checked_columns() -%}
    {{ return(false) }}
{%- endmacro %}
