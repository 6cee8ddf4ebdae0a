{#
    FOCUS tells the same bill as silver, per date and currency: as many charge rows (a lookup
    that repeats a key would double some, unseen where their cost is zero), and the same net,
    once by BilledCost and once by EffectiveCost.
#}
-- noqa: disable=CP02
with both_sides as (

    select
        x_UsageDate as usage_date,
        BillingCurrency as currency,
        case when x_IsAmortization then 0 else 1 end as charge_rows,
        BilledCost as billed_cost,
        EffectiveCost as effective_cost
    from {{ ref('focus_cost_and_usage') }}
    where {{ date_in_tested_slice('x_UsageDate') }}

    union all

    select
        usage_date,
        currency,
        -1 as charge_rows,
        -billed_cost as billed_cost,
        -billed_cost as effective_cost
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_tested_slice('usage_date') }}

)

select
    usage_date,
    currency,
    sum(charge_rows) as rows_too_many,
    sum(billed_cost) as billed_too_much,
    sum(effective_cost) as effective_too_much
from both_sides
group by usage_date, currency
having sum(charge_rows) <> 0 or sum(billed_cost) <> 0 or sum(effective_cost) <> 0
