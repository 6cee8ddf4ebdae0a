{#
    A query for what a table's named expectations find wrong: one row per failed expectation, or per
    failing key where it has one. No rows when all hold. `model` stands after FROM; `expect` is a
    list of dicts, each with a name, a description and one of these kinds (see docs/quality.md):

    - grain: [columns] together name one row
    - never_null: [columns]
    - one_of: {column, values}: null is allowed
    - holds: a condition; null does not hold
    - one_value: {column, per: [columns]}
    - sums_to: the model that has the same sums; see sums_to_failures for its options
    - every_date: true; the table has a row for each date of the call
    - matches_export: true; see matches_export_failures
    - written_lately: hours; see written_lately_failures
    - is_the_tenants_own: true; see is_the_tenants_own_failures
    - has_an_owner: true; see has_an_owner_failures
    - has_its_accounts: true; see has_its_accounts_failures
    - written_until_the_end: hours; see written_until_the_end_failures
    - has_no_new_columns, has_lost_no_columns: true; of a view over exports

    Columns: expectation, key (JSON text), amount (by which the table is too high), currency,
    failing_rows, samples (an array of at most 5 JSON texts).
#}
{% macro expectation_failures(model, expect, table, in_transaction=false) -%}
    {%- set queries, row_checks, grains, exports = [], [], [], [] -%}
    {%- for one in expect if not exports and (
        one.has_an_owner or one.written_lately or one.written_until_the_end
        or one.has_no_new_columns or one.has_lost_no_columns or one.has_its_accounts
    ) -%}
        {#- opened once for all of them -#}
        {%- do exports.extend(tenant_exports(ref('x_meta_exports'))) -%}
    {%- endfor -%}
    {%- for one in expect -%}
        {%- set name = expectation_name(one) -%}
        {%- if one.never_null -%}
            {%- do row_checks.append((name, '(' ~ one.never_null | join(' is not null and ') ~ ' is not null)')) -%}
        {%- elif one.one_of -%}
            {%- do row_checks.append((name, one_of_condition(one.one_of))) -%}
        {%- elif one.holds is defined -%}
            {%- do row_checks.append((name, 'coalesce(' ~ one.holds ~ ', false)')) -%}
        {%- elif one.grain -%}
            {%- do grains.extend(one.grain) -%}
            {%- do queries.append(grain_failures(model, name, one.grain)) -%}
        {%- elif one.one_value -%}
            {%- do queries.append(one_value_failures(model, name, one.one_value)) -%}
        {%- elif one.sums_to -%}
            {%- do queries.append(sums_to_failures(model, name, table, one)) -%}
        {%- elif one.matches_export -%}
            {%- do queries.append(matches_export_failures(model, name, table, in_transaction)) -%}
        {%- elif one.every_date -%}
            {%- do queries.append(every_date_failures(model, name, table)) -%}
        {%- elif one.written_lately -%}
            {%- do queries.append(written_lately_failures(name, table, one.written_lately, exports)) -%}
        {%- elif one.is_the_tenants_own -%}
            {%- do queries.append(is_the_tenants_own_failures(model, name)) -%}
        {%- elif one.has_an_owner -%}
            {%- do queries.append(has_an_owner_failures(name, exports)) -%}
        {%- elif one.has_its_accounts -%}
            {%- do queries.append(has_its_accounts_failures(name, model, exports)) -%}
        {%- elif one.written_until_the_end -%}
            {%- do queries.append(
                written_until_the_end_failures(name, model, one.written_until_the_end, exports)
            ) -%}
        {%- elif one.has_no_new_columns -%}
            {%- do queries.append(has_no_new_columns_failures(name, exports)) -%}
        {%- elif one.has_lost_no_columns -%}
            {%- do queries.append(has_lost_no_columns_failures(name, exports)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if row_checks -%}
        {%- do queries.append(row_failures(model, row_checks, table, grains)) -%}
    {%- endif -%}
    {{ return(queries | join('\n\nunion all\n\n')) }}
{%- endmacro %}
