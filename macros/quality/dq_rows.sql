{#
    What x_meta_dq_results is to hold of a call's tests, as a list of dicts: one for each test,
    then one for each model that sums its tests up. A test that could not run has not passed.
#}
{% macro dq_rows(results) -%}
    {%- set words = {'pass': 'PASS', 'warn': 'WARNING', 'skipped': 'SKIPPED'} -%}
    {%- set tests, summaries = [], {} -%}
    {%- for result in results -%}
        {%- set passed = result.status == 'pass' -%}
        {%- set table = tested_table(result.node) -%}
        {%- set row = {
            'id': result.node.unique_id,
            'table': table,
            'name': result.node.name,
            'severity': result.node.config.severity | lower,
            'passed': 1 if passed else 0,
            'failed': 0 if passed else 1,
            'failed_rows': result.failures if result.failures is defined else none,
            'status': words.get(result.status | string, 'FAIL'),
            'message': none if passed else test_message(result),
        } -%}
        {%- do row.update({'failures': [] if passed else [{
            'expectation': row.name,
            'severity': row.severity,
            'status': result.status | string,
            'failed_rows': row.failed_rows,
            'message': row.message,
        }]}) -%}
        {%- do tests.append(row) -%}
        {%- set summary = summaries.setdefault(table, {
            'id': table, 'table': table, 'name': table ~ '__summary', 'severity': none, 'passed': 0,
            'failed': 0, 'failed_rows': none, 'status': 'PASS', 'message': none,
            'failures': [],
        }) -%}
        {%- set worst_first = ['FAIL', 'SKIPPED', 'WARNING', 'PASS'] -%}
        {%- do summary.update({
            'passed': summary.passed + row.passed,
            'failed': summary.failed + row.failed,
            'failed_rows': summary.failed_rows if row.failed_rows is none
                else row.failed_rows + (summary.failed_rows or 0),
            'status': worst_first[[
                worst_first.index(summary.status), worst_first.index(row.status)
            ] | min],
            'failures': summary.failures + row.failures,
        }) -%}
        {%- if summary.failed -%}
            {%- do summary.update({'message':
                summary.failed ~ ' of ' ~ (summary.passed + summary.failed) ~ ' tests did not pass: '
                ~ summary.failures | map(attribute='expectation') | join(', ')
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(tests + summaries.values() | list) }}
{%- endmacro %}
