{# The billing accounts that occur in opened exports, as a list; on BigQuery those of the last month. #}
{% macro accounts_that_occur(exports) -%}
    {{ return(adapter.dispatch('accounts_that_occur')(exports)) }}
{%- endmacro %}

{% macro duckdb__accounts_that_occur(exports) -%}
    {%- set queries = [] -%}
    {%- for export in exports -%}
        {%- do queries.append('select billing_account_id from ' ~ export.relation) -%}
    {%- endfor -%}
    {{ return(run_query(
        'select distinct billing_account_id from (' ~ queries | join(' union all ')
        ~ ') where billing_account_id is not null order by billing_account_id'
    ).columns[0].values() | list) }}
{%- endmacro %}

{% macro bigquery__accounts_that_occur(exports) -%}
    {%- set queries = [] -%}
    {%- for export in exports -%}
        {%- do queries.append(
            'select billing_account_id from ' ~ export.relation ~ ' where '
            ~ accounts_since('usage_start_time' if export.form == 'landed' else '_PARTITIONTIME')
        ) -%}
    {%- endfor -%}
    {{ return(run_query(
        'select distinct billing_account_id from (' ~ queries | join(' union all ') ~ ')'
    ).columns[0].values() | list) }}
{%- endmacro %}
