{#
    Tells the operator of billing accounts of the tenant that do not occur in its opened exports and,
    where the warehouse is the operator's own (DuckDB), of those that do: other tenants' perhaps, so
    this goes to the terminal and never into a table. The expectation its_accounts_occur_in_the_export
    is the record of it, and on BigQuery, where a look is a job, all that a call with dates has.
#}
{% macro tell_of_accounts(exports) -%}
    {%- set named = exports[0].accounts if exports else [] -%}
    {%- if named and adapter.dispatch('are_looked_for')() -%}
        {%- set occurring = adapter.dispatch('accounts_that_occur')(exports) -%}
        {%- set lacking = named | reject('in', occurring) | list -%}
        {%- if lacking -%}
            {%- do log(
                'WARNING: the export of ' ~ tenant_id() ~ ' has no row of billing account '
                ~ lacking | join(', ') ~ '.',
                info=true
            ) -%}
            {%- do adapter.dispatch('tell_occurring_accounts')(occurring) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__are_looked_for() -%}
    {{ return(true) }}
{%- endmacro %}

{% macro bigquery__are_looked_for() -%}
    {{ return(not has_slice()) }}
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
            ~ bigquery__accounts_since('usage_start_time' if export.form == 'landed' else '_PARTITIONTIME')
        ) -%}
    {%- endfor -%}
    {{ return(run_query(
        'select distinct billing_account_id from (' ~ queries | join(' union all ') ~ ')'
    ).columns[0].values() | list) }}
{%- endmacro %}

{% macro duckdb__tell_occurring_accounts(occurring) -%}
    {%- set more = ' and ' ~ (occurring | length - 20) ~ ' more' if occurring | length > 20 else '' -%}
    {%- do log(
        'TERMINAL: The export has rows of ' ~ (occurring[:20] | join(', ') ~ more if occurring else 'no account')
        ~ '.', info=true
    ) -%}
{%- endmacro %}

{% macro bigquery__tell_occurring_accounts(occurring) -%}
{%- endmacro %}
