{#
    A budget is in a currency that the tenant is billed in, as far as is loaded. Only a warning:
    the plan may be made before the first bill, but one in the wrong currency never meets a cost.
#}
{{ config(severity='warn') }}

select
    budget_month,
    scope,
    scope_id,
    currency,
    budget
from {{ ref('budget_vs_actual') }}
where currency not in (select costs.currency from {{ ref('cost_by_service_daily') }} as costs)
