{#
    Reports to the operator billing accounts of the tenant that do not occur in its opened exports.
    Where the warehouse is the operator's own (DuckDB), it also reports the accounts that occur: only
    on the terminal, as they may be other tenants'. The expectation its_accounts_occur_in_the_export
    records it; on BigQuery, where this query would be a job, calls with dates have only that.
#}
{% macro report_accounts(exports) -%}
    {%- set named = exports[0].accounts if exports else [] -%}
    {%- if named and asks_for_accounts() -%}
        {%- set occurring = accounts_that_occur(exports) -%}
        {%- set lacking = named | reject('in', occurring) | list -%}
        {%- if lacking -%}
            {%- do log(
                'WARNING: the export of ' ~ tenant_id() ~ ' has no row of billing account '
                ~ lacking | join(', ') ~ '.',
                info=true
            ) -%}
            {%- do report_occurring_accounts(occurring) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
