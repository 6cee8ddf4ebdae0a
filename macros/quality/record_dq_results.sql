{#
    The on-run-end hook that writes one row of x_meta_dq_results per table and level of severity
    that this call tested, under the runner and under bare dbt. A call without tests writes nothing,
    nor does a call before the table exists. complete_dq_results adds what failing tests found.
#}
{% macro record_dq_results(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- set rows = dq_rows(results) if execute and not is_empty_build() else [] -%}
    {%- if rows and load_relation(dq_results) is none -%}
        {%- do log('x_meta_dq_results does not exist yet, so no results were kept: run dbt build first.', info=true) -%}
    {%- elif rows %}
insert into {{ dq_results }} (
    dq_result_id, pipeline_logging_id, tenant_id, target_table, dq_config_id, severity,
    executed_at, expectations_passed, expectations_failed, failed_rows, failed_expectations,
    overall_status, error_message, user_id, ingestion_date, to_date
)
        {%- set dates = slice_dates() if has_slice() else [none, none] %}
        {%- for row in rows %}
select
    {{ quote_text(dq_result_id(row.name)) }},
    {{ quote_text(run_id()) }},
    {{ quote_text(tenant_id()) }},
    {{ quote_text(row.table) }},
    {{ quote_text(row.name) }},
    {{ quote_text(row.severity) }},
    {{ now_utc() }},
    {{ row.passed }},
    {{ row.failed }},
    cast({{ row.failed_rows if row.failed_rows is not none else 'null' }} as bigint),
    {{ json_literal(row.failures) }},
    {{ quote_text(row.status) }},
    {{ quote_text(row.message) }},
    {{ quote_text(var('user_id', none)) }},
    {{ "date '" ~ dates[0] ~ "'" if dates[0] else 'cast(null as date)' }},
    {{ "date '" ~ dates[1] ~ "'" if dates[1] else 'cast(null as date)' }}
            {{ 'union all' if not loop.last }}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
