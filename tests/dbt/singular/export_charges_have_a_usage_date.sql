{#
    Every charge has a start of usage. One without would belong to no date, and so to no
    bill: it would vanish where nobody looks.
#}
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
    {%- endif %}
group by billing_account_id, invoice_month, currency
