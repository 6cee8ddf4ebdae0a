{#
    One row per usage date, billing account, project, service, SKU, region, currency and units:
    the bill at the finest grain that people ask about by day. The units are keys, since a
    quantity means nothing without its own: for most SKUs that adds no row. What list_cost does
    not cover stands beside it, so that the two can be held against gross_cost.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

costs as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        sku_id,
        region,
        currency,
        usage_unit,
        usage_pricing_unit,

        -- attributes
        max(project_name) as project_name,
        max(service_description) as service_description,
        max(sku_description) as sku_description,

        -- measures
        count(*) as charge_rows,
        sum({{ quantity('usage_amount') }}) as usage_amount,
        sum({{ quantity('usage_amount_in_pricing_units') }}) as usage_amount_in_pricing_units,
        {{ money('coalesce(sum(list_cost), 0)') }} as list_cost,
        {{ money('sum(case when list_cost is null then gross_cost else 0 end)') }} as unlisted_cost,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(promotion_credits)') }} as promotion_credits,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money("sum(case when cost_type = 'regular' then billed_cost else 0 end)") }}
            as regular_cost,
        {{ money('sum(billed_cost_usd)') }} as billed_cost_usd

    from charges
    group by
        usage_date, billing_account_id, project_id, service_id, sku_id, region, currency,
        usage_unit, usage_pricing_unit

)

select * from costs
