{#
    One row per usage date, billing account, commitment and currency: how much of each
    commitment is used. Fees measure it: what is committed is the fees, what is used is the part
    of them that Google offset (new model) or attributed to a SKU (old model). A commitment whose
    fees have neither has no utilization, rather than a guessed one.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

classified as (

    select
        *,
        {{ is_commitment_fee('charges') }} as is_fee,
        {{ is_covered_by_price() }} as is_covered_by_price
    from charges

),

of_commitments as (

    select
        *,
        coalesce(
            nullif(consumption_model_applied_subscription_instance_id, ''),
            nullif(subscription_instance_id, ''),
            '(' || case
                when is_covered_by_price then consumption_model_description
                else sku_description
            end || ')',
            '(unknown)'
        ) as commitment_id,
        coalesce(sku_description, '') like 'Commitment v%:%' as is_resource_based,
        coalesce(sku_description, '') like '%dollar based%'
        or coalesce(sku_description, '') like '%CUD%' as is_named_spend_based,
        {{ has_label('labels', 'goog-originating-sku-id') }} as is_attributed,
        consumption_model_description is not null or fee_offset_credits <> 0 as is_new_model
    from classified
    where is_fee or is_covered_by_price

),

measured as (

    select
        *,
        case
            when is_resource_based then 'resource'
            when is_named_spend_based or is_attributed or fee_offset_credits <> 0 then 'spend'
            when not is_fee then 'spend'
        end as kind,
        case
            when is_fee and is_new_model and not is_resource_based then -fee_offset_credits
            when is_fee and is_attributed then gross_cost
        end as used_fee,
        case
            when not is_fee or (is_new_model and not is_resource_based) then null
            when is_attributed then 1
            else 0
        end as attribution
    from of_commitments

),

commitments as (

    select
        -- keys
        usage_date,
        billing_account_id,
        commitment_id,
        currency,

        -- attributes
        max(case when is_fee then sku_description end) as commitment_name,
        coalesce(min(kind), 'unknown') as commitment_kind,

        -- measures: null where the bill does not have it
        {{ money('sum(case when is_fee then gross_cost else 0 end)') }} as fee_cost,
        {{ money('sum(fee_offset_credits)') }} as fee_offset_credits,
        {{ money(
            'case when max(kind) is not null and coalesce(max(attribution), 1) = 1 then sum(used_fee) end'
        ) }} as used_fee_cost,
        {{ money('sum(case when not is_fee then gross_cost end)') }} as covered_cost,
        {{ money(
            'case when sum(case when not is_fee and default_price_cost is null then 1 else 0 end) = 0'
            ~ ' then sum(case when not is_fee then default_price_cost end) end'
        ) }} as covered_cost_at_default

    from measured
    group by usage_date, billing_account_id, commitment_id, currency

),

commitments_used as (

    select
        *,
        {{ money('fee_cost - used_fee_cost') }} as unused_fee_cost,
        {{ divide('used_fee_cost', 'fee_cost') }} as utilization
    from commitments

)

select * from commitments_used
