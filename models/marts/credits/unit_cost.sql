{#
    One row per usage date, unit of business and currency: what an order, a user, a request costs.
    Each unit has the day's complete cost, so units are not added up. A day without a count of
    units stands under `(none)`: its cost is there, its unit cost is not known. Where the day's
    cost is in several currencies, each row has a part of a unit's cost: all of it is unit_cost_usd.
#}
{{ config(materialized='view') }}

with costs as (

    select
        usage_date,
        currency,
        sum(promotion_credits) as promotion_credits,
        sum(billed_cost) as billed_cost,
        case when count(billed_cost_usd) = count(*) then sum(billed_cost_usd) end
            as billed_cost_usd
    from {{ ref('cost_by_service_daily') }}
    group by usage_date, currency

),

days as (

    select
        usage_date,
        count(*) as currencies,
        case when count(billed_cost_usd) = count(*) then sum(billed_cost_usd) end
            as billed_cost_usd
    from costs
    group by usage_date

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
        {{ divide('costs.billed_cost', 'units.units') }} as unit_cost,
        {{ divide(
            'costs.billed_cost - costs.promotion_credits', 'units.units'
        ) }} as unit_cost_before_promotion,

        -- measures: of the day in all its currencies
        days.currencies,
        {{ money('days.billed_cost_usd') }} as day_cost_usd,
        {{ divide('days.billed_cost_usd', 'units.units') }} as unit_cost_usd

    from costs
    inner join days on costs.usage_date = days.usage_date
    left join units on costs.usage_date = units.usage_date

)

select * from unit_costs
