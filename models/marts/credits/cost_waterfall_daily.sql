{#
    One row per usage date, billing account, project, service and currency: from list price to
    the bill, step by step. The steps sum to billed_cost, and a commitment has the same effect
    before and after July 2025: its fees are a price paid for a discount, so they stand in the
    commitment's step and not in the list cost, and an offset only gives fees back. What has no
    list price counts at its own: no saving is made up.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

classified as (

    select
        *,
        {{ is_commitment_fee('charges') }} as is_fee,
        coalesce(default_price_cost, gross_cost) as default_cost
    from charges

),

priced as (

    select
        *,
        case when is_fee then 0 else coalesce(list_cost, default_cost) end as usage_at_list,
        case when is_fee then 0 else default_cost end as usage_at_default,
        case when is_fee then 0 else gross_cost end as usage_cost,
        case when is_fee then gross_cost else 0 end as fee_cost,
        not is_fee and list_cost is null as is_list_unknown
    from classified

),

steps as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        service_id,
        currency,

        -- attributes
        max(service_description) as service_description,
        max(project_name) as project_name,

        -- measures: the steps, then what two of them are made of
        {{ money('sum(usage_at_list)') }} as list_cost,
        {{ money('sum(usage_at_default - usage_at_list)') }} as negotiated_effect,
        {{ money(
            'sum(usage_cost - usage_at_default + committed_use_credits + fee_cost + fee_offset_credits)'
        ) }} as commitment_effect,
        {{ money(
            'sum(credits_total - promotion_credits - committed_use_credits - fee_offset_credits)'
        ) }} as other_credits_effect,
        {{ money('sum(promotion_credits)') }} as promotion_effect,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(usage_cost - usage_at_default)') }} as commitment_price_effect,
        {{ money('sum(committed_use_credits)') }} as committed_use_credits,
        {{ money('sum(fee_cost)') }} as commitment_fee_cost,
        {{ money('sum(fee_offset_credits)') }} as fee_offset_credits,
        {{ money('sum(case when is_list_unknown then usage_at_list else 0 end)') }}
            as unknown_list_cost,
        cast(sum(case when is_list_unknown then 1 else 0 end) as bigint) as unknown_list_rows,
        count(*) as charge_rows

    from priced
    group by usage_date, billing_account_id, project_id, service_id, currency

)

select * from steps
