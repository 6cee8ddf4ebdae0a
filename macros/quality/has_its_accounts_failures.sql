{#
    Billing accounts of the tenant of which the export has no row: they were misspelled, or their
    charges are elsewhere. On BigQuery only partitions and usage since a month before the dates are read:
    a landing has no other partition than that of the usage.
#}
{% macro has_its_accounts_failures(name, model, exports) -%}
    {%- set accounts = [] -%}
    {%- for export in exports -%}
        {%- for account in export.accounts if account not in accounts -%}
            {%- do accounts.append(account) -%}
        {%- endfor -%}
    {%- endfor -%}
    select
        {{ one_failure(name, ['billing_account_id']) }}
    from (
        select named.billing_account_id
        from (
            {%- for account in accounts %}
            select {{ quote_text(account) }} as billing_account_id {{ 'union all' if not loop.last }}
            {%- else %}
            select billing_account_id from {{ model }} where 1 = 0
            {%- endfor %}
        ) as named
        left join (
            select distinct billing_account_id
            from {{ model }}
            where
                {{ accounts_since('export_partition_time') }}
                and {{ accounts_since('usage_start_time') }}
        ) as found on named.billing_account_id = found.billing_account_id
        where found.billing_account_id is null
    ) as missing_accounts
{%- endmacro %}
