{#
    Updates a result of this call. On BigQuery two updates of one table may conflict, such as those
    of two runs of bare dbt. When BigQuery's own retries do not help, the details of this result are
    lost and the call goes on.
#}
{% macro complete_dq_result(dq_results, row) -%}
    {%- set update -%}
        update {{ dq_results }} set
            failed_expectations = {{ json_literal(row.failures) }},
            failed_rows = cast({{ row.failed_rows if row.failed_rows is not none else 'null' }} as bigint),
            error_message = {{ quote_text(row.message) }}
        where dq_result_id = {{ quote_text(dq_result_id(row.name)) }}
    {%- endset -%}
    {%- do run_query(unless_it_conflicts(update)) -%}
{%- endmacro %}
