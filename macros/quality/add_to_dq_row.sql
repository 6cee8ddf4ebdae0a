{#
    Adds one result to the row of its table and severity. `expected`: (name, description) of each
    expectation that the result is about. `found`: what failed, none where that is not known.
    `again`: the expectations are counted already, as for a proof that bare dbt runs once more as a
    node.
#}
{% macro add_to_dq_row(rows, table, severity, unique_id, expected, result, found, again=false) -%}
    {%- set row = rows.setdefault(table ~ '__' ~ severity, {
        'table': table, 'name': table ~ '__' ~ severity, 'severity': severity, 'passed': 0,
        'failed': 0, 'failed_rows': none, 'failures': [], 'status': 'PASS', 'message': none,
        'nodes': [],
    }) -%}
    {%- set status = result.status | string -%}
    {%- set descriptions = dict(expected) -%}
    {%- set failures = [] -%}
    {%- for one in found or [] -%}
        {%- do failures.append(failed_expectation(
            one.expectation, descriptions.get(one.expectation), severity, unique_id,
            'fail' if severity == 'error' else 'warn', one.failing_rows, one.samples, none
        )) -%}
    {%- endfor -%}
    {%- if status in ('success', 'pass') -%}
        {%- set failed = 0 -%}
    {%- elif found -%}
        {%- set failed = found | length -%}
    {%- elif status in ('fail', 'warn') and result.node.test_metadata
            and result.node.test_metadata.name == 'expectations' -%}
        {%- set failed = result.failures -%}
    {%- else -%}
        {%- set failed = expected | length -%}
    {%- endif -%}
    {%- if failed and not found -%}
        {%- set is_error = status in ('error', 'runtime error') and result.node.resource_type == 'test' -%}
        {%- do failures.append(failed_expectation(
            expected[0][0] if expected | length == 1 else result.node.name,
            expected[0][1] if expected | length == 1 else none,
            severity, unique_id,
            status if status in ('fail', 'warn') else 'error' if is_error else 'skipped',
            result.failures if expected | length == 1 and result.failures is number else none,
            [], without_rows(result.message) if status not in ('fail', 'warn') else none
        )) -%}
    {%- endif -%}
    {%- set failed_rows = failures | map(attribute='failing_rows') | select('number') | list -%}
    {%- set worst_first = ['FAIL', 'SKIPPED', 'WARNING', 'PASS'] -%}
    {%- set words = {'fail': 'FAIL', 'error': 'FAIL', 'warn': 'WARNING', 'skipped': 'SKIPPED'} -%}
    {%- set found_status = words[failures[0].status] if failures else 'PASS' -%}
    {%- do row.nodes.append(unique_id) -%}
    {%- do row.update({
        'passed': row.passed + (0 if again else expected | length) - failed,
        'failed': row.failed + failed,
        'failed_rows': (row.failed_rows or 0) + failed_rows | sum if failed_rows else row.failed_rows,
        'failures': row.failures + failures,
        'status': worst_first[[worst_first.index(row.status), worst_first.index(found_status)] | min],
    }) -%}
    {%- if row.failed -%}
        {%- do row.update({'message':
            row.failed ~ ' of ' ~ (row.passed + row.failed) ~ ' expectations of ' ~ table
            ~ (' were not tested: ' if row.status == 'SKIPPED' else ' failed: ')
            ~ row.failures | map(attribute='expectation') | join(', ') ~ '.'
        }) -%}
    {%- endif -%}
{%- endmacro %}
