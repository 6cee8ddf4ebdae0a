{#
    No service of a project stands out on the dates of this call, by the rule of cost_anomalies:
    for people to review, and no reason to hold a bill back.
#}
{{ config(severity='warn') }}

select
    usage_date,
    billing_account_id,
    project_id,
    service_id,
    currency,
    billed_cost
from {{ ref('cost_anomalies') }}
where {{ date_in_tested_slice('usage_date') }}
