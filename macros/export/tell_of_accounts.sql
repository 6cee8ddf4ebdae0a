{#
    Tells the operator of billing accounts of the tenant that do not occur in its opened exports and,
    where the warehouse is the operator's own (DuckDB), of those that do: other tenants' perhaps, so
    this goes to the terminal and never into a table. The expectation its_accounts_occur_in_the_export
    is the record of it, and on BigQuery, where a look is a job, all that a call with dates has.
#}
{% macro tell_of_accounts(exports) -%}
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
            {%- do tell_occurring_accounts(occurring) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
