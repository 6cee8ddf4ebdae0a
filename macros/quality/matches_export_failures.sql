{#
    Rows, cost and credits of the export and of the table that was copied from it differ by exactly
    0, per usage date, currency and export. This finds a late row that was lost, a rerun that
    doubled rows, two identical rows that became one, and a charge without a usage date. The export
    is read from a week earlier than the copy reads it, so that a charge which Google wrote before
    its usage day is found and not lost.

    In the transaction that makes the copy both sides read the same export, so nothing is left out.
    A test that runs later leaves out, on both sides, what was exported after the copy was made.
#}
{% macro matches_export_failures(model, name, table, in_transaction) -%}
    {#- ref stands outside the if: dbt must see it when it parses -#}
    {%- set export = ref('stg_gcp_billing__export') -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(['usage_date', 'currency', 'export_ref']) }} as key,
        {{ money('copied_cost + copied_credits - exported_cost - exported_credits') }} as amount,
        currency,
        abs(copied_rows - exported_rows) as failing_rows,
        [{{ json_object(
            ['usage_date', 'currency', 'export_ref', 'copied_rows', 'exported_rows'] + as_texts(
                ['copied_cost', 'exported_cost', 'copied_credits', 'exported_credits']
            )
        ) }}] as samples
    from (
        select
            usage_date,
            currency,
            export_ref,
            sum(copied_rows) as copied_rows,
            sum(exported_rows) as exported_rows,
            coalesce(sum(copied_cost), 0) as copied_cost,
            coalesce(sum(exported_cost), 0) as exported_cost,
            coalesce(sum(copied_credits), 0) as copied_credits,
            coalesce(sum(exported_credits), 0) as exported_credits
        from (
            select
                {{ utc_date('usage_start_time') }} as usage_date,
                currency,
                export_ref,
                export_time,
                1 as copied_rows,
                0 as exported_rows,
                cost as copied_cost,
                {{ money('0') }} as exported_cost,
                credits_total as copied_credits,
                {{ money('0') }} as exported_credits
            from {{ model }}

            union all

            select
                {{ utc_date('usage_start_time') }} as usage_date,
                currency,
                export_ref,
                export_time,
                0 as copied_rows,
                1 as exported_rows,
                {{ money('0') }} as copied_cost,
                cost as exported_cost,
                {{ money('0') }} as copied_credits,
                {{ sum_money('credits', 'amount') }} as exported_credits
            from {{ export }}
            where
            {%- if has_slice() %}
                ({{ in_slice('usage_start_time') }} or usage_start_time is null)
                and {{ exported_since_slice('export_partition_time', days_before=8) }}
            {%- else %}
                (
                    usage_start_time is null
                    or {{ utc_date('usage_start_time') }} in (
                        select {{ utc_date('usage_start_time') }} from {{ model }}
                    )
                )
                and {{ exported_since_loaded('export_partition_time', table) }}
            {%- endif %}
        ) as both_sides
        {%- if not in_transaction %}
        cross join (select max(loaded_at) as copied_at from {{ model }}) as copy
        where
            export_time is null
            or copied_at is null
            or export_time <= copied_at
        {%- endif %}
        group by usage_date, currency, export_ref
    ) as compared
    where
        copied_rows <> exported_rows
        or copied_cost <> exported_cost
        or copied_credits <> exported_credits
{%- endmacro %}
