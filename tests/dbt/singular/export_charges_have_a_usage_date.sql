{#
    Every charge has a start of usage. One without would belong to no date, and so to no
    bill: it would vanish where nobody looks. Without dates in the call the export is read from
    a day before the first date that is loaded.
#}
{#- ref stands outside the if: dbt must see it when it parses -#}
{%- set loaded = ref('billing_cost_daily') -%}
select
    billing_account_id,
    invoice_month,
    currency,
    count(*) as charge_rows,
    sum(cost) as cost
from {{ ref('stg_gcp_billing__export') }}
where
    usage_start_time is null
    {%- if has_slice() %}
    and {{ exported_since_slice('export_partition_time') }}
    {%- else %}
    and {{ exported_since_loaded('export_partition_time', loaded, days_before=1) }}
    {%- endif %}
group by billing_account_id, invoice_month, currency
