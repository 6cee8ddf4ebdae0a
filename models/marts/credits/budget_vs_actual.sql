{#
    One row per month, scope (all, service, project), id and currency: what was planned against
    what was spent. The tenant's complete cost stands once under each scope, planned or not, so that
    unplanned cost is visible; a plan without cost stands too. Months are those of the
    UTC usage dates: an invoice has others.
#}
{{ config(materialized='view') }}

with costs as (

    select
        *,
        {{ year_month('usage_date') }} as budget_month
    from {{ ref('cost_by_service_daily') }}

),

budgets as (

    select * from {{ ref('budgets') }}
    where tenant_id = '{{ tenant_id() }}'

),

plans_and_costs as (

    select
        budget_month,
        scope,
        case when scope = 'all' then '(all)' else scope_id end as scope_id,
        currency,
        cast(null as {{ engine_type('text') }}) as scope_name,
        budget,
        {{ money('0') }} as actual_cost,
        cast(null as date) as usage_date
    from budgets

    {%- for scope, id, name in [
        ('all', "'(all)'", "'(all)'"),
        ('service', 'service_id', 'service_description'),
        ('project', 'project_id', 'project_name'),
    ] %}

    union all

    select
        budget_month,
        '{{ scope }}' as scope,
        {{ id }} as scope_id,
        currency,
        {{ name }} as scope_name,
        {{ money('null') }} as budget,
        billed_cost as actual_cost,
        usage_date
    from costs
    {%- endfor %}

),

compared as (

    select
        -- keys
        budget_month,
        scope,
        scope_id,
        currency,

        -- attributes
        max(scope_name) as scope_name,

        -- measures
        {{ money('sum(budget)') }} as budget,
        {{ money('sum(actual_cost)') }} as actual_cost,
        {{ money('sum(budget) - sum(actual_cost)') }} as remaining_budget,
        {{ divide('sum(actual_cost)', 'sum(budget)') }} as used_share,

        -- time: a month that is loaded in part has spent in part
        min(usage_date) as first_usage_date,
        max(usage_date) as last_usage_date

    from plans_and_costs
    group by budget_month, scope, scope_id, currency

)

select * from compared
