{#
    The on-run-end hook: one row of x_meta_dq_results per data test of this call, whoever
    called dbt. A test that could not run counts as failed. Nothing is written by calls
    without tests, nor before the table exists.
#}
{% macro record_dq_results(results) %}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set dq_results = ref('x_meta_dq_results') -%}
    {%- set tested = [] -%}
    {%- for result in results if execute and result.node.resource_type == 'test' -%}
        {%- do tested.append(result) -%}
    {%- endfor -%}
    {%- if tested and load_relation(dq_results) is none -%}
        {%- do log('x_meta_dq_results does not exist yet, so no results were kept: run dbt build first.', info=true) -%}
    {%- elif tested %}
insert into {{ dq_results }} (
    dq_result_id, pipeline_logging_id, tenant_id, target_table, dq_config_id, severity,
    executed_at, expectations_passed, expectations_failed, failed_rows, failed_expectations,
    sample_rows, overall_status, error_message, user_id, ingestion_date, to_date
)
        {%- set dates = slice_dates() if has_slice() else [none, none] %}
        {%- for result in tested %}
select
    {{ quote_text(local_md5(invocation_id ~ result.node.unique_id)) }},
    {{ quote_text(run_id()) }},
    {{ quote_text(tenant_id()) }},
    {{ quote_text(tested_table(result.node)) }},
    {{ quote_text(result.node.name) }},
    {{ quote_text(result.node.config.severity | lower) }},
    {{ now_utc() }},
    {{ 1 if result.status == 'pass' else 0 }},
    {{ 0 if result.status == 'pass' else 1 }},
    cast({{ result.failures if result.failures is not none else 'null' }} as bigint),
    {{ dq_failure(result) }},
    {{ quote_text(failing_rows(result)) }},
    {{ quote_text({'pass': 'PASS', 'warn': 'WARNING', 'skipped': 'SKIPPED'}.get(result.status | string, 'FAIL')) }},
    {{ quote_text(none if result.status == 'pass' else result.message) }},
    {{ quote_text(var('user_id', none)) }},
    {{ "date '" ~ dates[0] ~ "'" if dates[0] else 'cast(null as date)' }},
    {{ "date '" ~ dates[1] ~ "'" if dates[1] else 'cast(null as date)' }}
            {{ 'union all' if not loop.last }}
        {%- endfor %}
    {%- endif %}
{% endmacro %}
