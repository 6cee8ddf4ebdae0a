{#
    Explains BigQuery's "aborted due to concurrent update": it cancels the
    later of two transactions that change one table. dbt's own message cannot be changed from here.
    No hook of its own, for each costs a node.
#}
{% macro explain_cancelled_transactions(results) -%}
    {%- for result in results or [] if execute
            and 'aborted due to concurrent update' in (result.message or '') -%}
        {%- do log(
            result.node.name ~ ' keeps its old rows: another dbt run of this tenant is writing.'
            ~ ' Run it again when that has ended.',
            info=true
        ) -%}
    {%- endfor -%}
{%- endmacro %}
