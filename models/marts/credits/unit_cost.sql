{#
    One row per usage date, unit of business and currency: what an order, a user, a request costs.
    Each unit has the day's whole cost to itself, so units are not added up. A day whose units
    nobody counted stands under `(none)`: its cost is there, its unit cost is not known.
#}
{{ config(materialized='view') }}

with costs as (

    select
        usage_date,
        currency,
        sum(promotion_credits) as promotion_credits,
        sum(billed_cost) as billed_cost
    from {{ ref('cost_by_service_daily') }}
    group by usage_date, currency

),

units as (

    select * from {{ ref('unit_counts') }}
    where tenant_id = '{{ tenant_id() }}'

),

unit_costs as (

    select
        -- keys
        costs.usage_date,
        coalesce(units.unit_name, '(none)') as unit_name,
        costs.currency,

        -- measures: a promotion pays for cost, it does not make a unit cheaper
        units.units,
        {{ money('costs.billed_cost') }} as billed_cost,
        {{ money('costs.billed_cost - costs.promotion_credits') }} as cost_before_promotion,
        {{ safe_divide('costs.billed_cost', 'units.units') }} as unit_cost,
        {{ safe_divide(
            'costs.billed_cost - costs.promotion_credits', 'units.units'
        ) }} as unit_cost_before_promotion

    from costs
    left join units on costs.usage_date = units.usage_date

)

select * from unit_costs
