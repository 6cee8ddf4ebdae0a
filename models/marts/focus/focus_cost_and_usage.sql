{#
    One row per charge row in FOCUS 1.2 (Cost and Usage), and one more per commitment fee.
    FOCUS gives a Purchase no EffectiveCost, and wants it on what was bought: so a fee is a
    Purchase that is billed and an amortization that is not, and both BilledCost and
    EffectiveCost sum to gcp_silver_cost's net. Credits stay in the charge they are on. Read
    from billing_cost_daily, for silver leaves prices out. Choices and gaps: docs/focus.md.
#}
-- noqa: disable=CP02
with charges as (

    select * from {{ ref('billing_cost_daily') }}
    where {{ date_in_slice('ingestion_date') }}

),

services as (

    select * from {{ ref('focus_services') }}

),

regions as (

    select * from {{ ref('focus_regions') }}

),

credited as (

    select
        *,
        {{ credits_of_class('committed_use') }} as commitment_credits,
        {{ credits_of_class('fee_offset') }} as offset_credits,
        {{ commitment_credit('type') }} as credit_type,
        coalesce(
            {{ commitment_credit('full_name') }}, {{ commitment_credit('name') }}
        ) as credit_name
    from charges

),

fees as (

    select
        *,
        coalesce(cost_type, '') = 'regular' and {{ is_commitment_fee(
            'credited', 'ingestion_date', 'commitment_credits', 'offset_credits'
        ) }} as is_fee
    from credited

),

-- Before July 2025 covered usage names its commitment by the credit alone, and a standard export
-- a fee by the SKU; a subscription that neither pays a fee nor covers usage is no commitment.
commitments as (

    select
        *,
        case
            when coalesce(cost_type, '') <> 'regular' then null
            when coalesce(transaction_type, 'GOOGLE') <> 'GOOGLE' then null
            when is_fee then coalesce(nullif(subscription_instance_id, ''), sku_description)
            when {{ is_covered_by_price() }} or credit_type is not null
                then coalesce(
                    nullif(consumption_model_applied_subscription_instance_id, ''),
                    nullif(subscription_instance_id, ''),
                    {{ commitment_credit('id') }},
                    credit_name,
                    credit_type,
                    consumption_model_description
                )
        end as commitment_id
    from fees

),

-- A correction within its own month is none to FOCUS: that invoice was not yet out.
classified as (

    select
        *,
        case
            when cost_type = 'tax' then 'Tax'
            when cost_type = 'regular' then case when is_fee then 'Purchase' else 'Usage' end
            else 'Adjustment'
        end as charge_category,
        case
            when
                (adjustment_type is not null or adjustment_id is not null)
                and {{ year_month('usage_date_pacific') }} < invoice_month
                then 'Correction'
        end as charge_class,
        case
            when credit_type = 'COMMITTED_USAGE_DISCOUNT' then 'Usage'
            when is_fee and sku_description like 'Commitment v%' then 'Usage'
            when commitment_id is not null then 'Spend'
        end as commitment_category,
        {{ money('cost + credits_total') }} as billed,
        case
            when is_fee then {{ money('0') }} else {{ money('cost + credits_total') }}
        end as effective,
        false as is_amortization
    from commitments

),

-- With the data model of July 2025 the net of a spend-based fee is what usage did not draw on;
-- before it, and ever for a resource-based one, a row does not show which part lay idle.
parts as (

    select
        *,
        case when commitment_id is not null and charge_category = 'Usage' then 'Used' end
            as commitment_status
    from classified

    union all

    select
        * replace (
            'Usage' as charge_category,
            true as is_amortization,
            billed as effective,
            {{ money('0') }} as billed,
            {{ money('0') }} as cost,
            {{ money('0') }} as cost_at_list,
            {{ money('0') }} as cost_at_effective_price_default,
            {{ money('0') }} as cost_at_list_consumption_model,
            {{ money('0') }} as credits_total,
            0 as usage_amount,
            0 as usage_amount_in_pricing_units
        ),
        case
            when sku_description like 'Commitment v%:%' then 'Used'
            when consumption_model_description is null and offset_credits = 0
                then 'Used'
            else 'Unused'
        end as commitment_status
    from classified
    where is_fee

),

-- FOCUS wants a quantity of whatever is used or bought: what has none is one charge. A price
-- stands only beside the export's own quantity.
measured as (

    select
        *,
        case
            when charge_category = 'Tax' then null
            when usage_amount_in_pricing_units is not null then usage_amount_in_pricing_units
            when charge_category = 'Adjustment' or charge_class is not null then null
            when cost < 0 then -1
            else 1
        end as pricing_quantity,
        case
            when usage_amount_in_pricing_units is null then 'Charges'
            else {{ focus_unit("coalesce(usage_pricing_unit, 'count')") }}
        end as unit_of_price,
        coalesce(cost_at_effective_price_default, cost) as contracted_cost,
        coalesce(price_effective_price_default, price_effective_price) as contracted_price,
        charge_category <> 'Tax' and usage_amount_in_pricing_units is not null as has_price,
        charge_category = 'Usage' and coalesce(commitment_status, 'Used') = 'Used' as is_consumed,
        commitment_id is not null and charge_class is null as has_commitment_quantity
    from parts

),

named as (

    select
        measured.*,
        services.service_category,
        services.service_subcategory,
        regions.region_name
    from measured
    left join services on measured.service_description = services.service_description
    left join regions on measured.location_region = regions.region_id

),

focus as (

    select
        location_zone as AvailabilityZone,
        billed as BilledCost,
        billing_account_id as BillingAccountId,
        cast(null as string) as BillingAccountName,
        'Billing Account' as BillingAccountType,
        currency as BillingCurrency,
        {{ billing_period_start('invoice_month', 1) }} as BillingPeriodEnd,
        {{ billing_period_start('invoice_month') }} as BillingPeriodStart,
        cast(null as string) as CapacityReservationId,
        cast(null as string) as CapacityReservationStatus,
        charge_category as ChargeCategory,
        charge_class as ChargeClass,
        sku_description as ChargeDescription,
        case
            when charge_category = 'Adjustment' then 'One-Time'
            when charge_category = 'Purchase' then 'Recurring'
            when
                subscription_instance_id is not null and commitment_id is null
                then 'Recurring'
            else 'Usage-Based'
        end as ChargeFrequency,
        usage_end_time as ChargePeriodEnd,
        usage_start_time as ChargePeriodStart,
        commitment_category as CommitmentDiscountCategory,
        commitment_id as CommitmentDiscountId,
        case
            when commitment_id is null then null
            when is_fee then sku_description
            else coalesce(
                credit_name, consumption_model_description, sku_description
            )
        end as CommitmentDiscountName,
        case
            when not has_commitment_quantity then null
            when commitment_category = 'Usage' then {{ quantity('pricing_quantity') }}
            when is_amortization then effective
            when credit_type is not null then -commitment_credits
            else cost
        end as CommitmentDiscountQuantity,
        commitment_status as CommitmentDiscountStatus,
        case commitment_category
            when 'Usage' then 'Resource-based committed use discount'
            when 'Spend' then 'Spend-based committed use discount'
        end as CommitmentDiscountType,
        case
            when not has_commitment_quantity then null
            when commitment_category = 'Usage' then unit_of_price
            else currency
        end as CommitmentDiscountUnit,
        case
            when is_consumed then coalesce(usage_amount, pricing_quantity)
        end as ConsumedQuantity,
        case
            when not is_consumed then null
            when usage_amount is not null
                then {{ focus_unit("coalesce(usage_unit, usage_pricing_unit, 'count')") }}
            when pricing_quantity is not null then unit_of_price
        end as ConsumedUnit,
        contracted_cost as ContractedCost,
        case when has_price then contracted_price end as ContractedUnitPrice,
        effective as EffectiveCost,
        billing_account_id || '-' || invoice_month as InvoiceId,
        'Google Cloud' as InvoiceIssuerName,
        coalesce(cost_at_list, contracted_cost) as ListCost,
        case
            when has_price and cost_at_list is not null
                then price_list_price
        end as ListUnitPrice,
        case
            when charge_category = 'Purchase' then 'Standard'
            when charge_category <> 'Usage' then null
            when commitment_id is not null then 'Committed'
            when
                sku_description like 'Spot %'
                or sku_description like 'Preemptible %'
                then 'Dynamic'
            else 'Standard'
        end as PricingCategory,
        currency as PricingCurrency,
        case when has_price then contracted_price end
            as PricingCurrencyContractedUnitPrice,
        effective as PricingCurrencyEffectiveCost,
        case
            when has_price and cost_at_list is not null
                then price_list_price
        end as PricingCurrencyListUnitPrice,
        pricing_quantity as PricingQuantity,
        case when pricing_quantity is not null then unit_of_price end
            as PricingUnit,
        'Google Cloud' as ProviderName,
        case
            when coalesce(transaction_type, 'GOOGLE') = 'GOOGLE' then 'Google Cloud'
            else coalesce(seller_name, 'Other')
        end as PublisherName,
        location_region as RegionId,
        coalesce(region_name, location_region) as RegionName,
        coalesce(resource_global_name, resource_name) as ResourceId,
        resource_name as ResourceName,
        case
            when coalesce(resource_global_name, resource_name) is not null
                then coalesce(
                    {{ resource_type('resource_global_name') }},
                    service_description
                )
        end as ResourceType,
        coalesce(service_category, 'Other') as ServiceCategory,
        service_description as ServiceName,
        coalesce(service_subcategory, 'Other (Other)') as ServiceSubcategory,
        case when charge_category <> 'Tax' then sku_id end as SkuId,
        case when charge_category <> 'Tax' then sku_description end as SkuMeter,
        case
            when charge_category <> 'Tax' and price_tier_start_amount is not null
                then concat(
                    '{"x_TierStartAmount":',
                    {{ plain_number('price_tier_start_amount') }},
                    '}'
                )
        end as SkuPriceDetails,
        case
            when charge_category <> 'Tax' then concat(
                sku_id,
                coalesce(
                    '-' || {{ plain_number('price_tier_start_amount') }}, ''
                )
            )
        end as SkuPriceId,
        project_id as SubAccountId,
        coalesce(project_name, project_id) as SubAccountName,
        case when project_id is not null then 'Project' end as SubAccountType,
        {{ tags_object([
            ('labels', "''"),
            ('project_labels', "'project:'"),
            ('tags', "'tag:' || coalesce(item.namespace || '/', '')"),
            ('system_labels', "'google:'"),
        ]) }} as Tags,

        adjustment_id as x_AdjustmentId,
        adjustment_type as x_AdjustmentType,
        consumption_model_description as x_ConsumptionModelDescription,
        consumption_model_id as x_ConsumptionModelId,
        cost_at_effective_price_default as x_CostAtEffectivePriceDefault,
        cost_at_list_consumption_model as x_CostAtListConsumptionModel,
        cost_type as x_CostType,
        case
            when not is_amortization then {{ json_text('credits') }}
        end as x_Credits,
        credits_total as x_CreditsTotal,
        currency_conversion_rate as x_CurrencyConversionRate,
        export_time as x_ExportTime,
        cost as x_GrossCost,
        invoice_month as x_InvoiceMonth,
        is_amortization as x_IsAmortization,
        location_location as x_Location,
        price_effective_price as x_PriceEffectivePrice,
        price_list_price_consumption_model as x_PriceListPriceConsumptionModel,
        project_number as x_ProjectNumber,
        service_id as x_ServiceId,
        sku_id as x_SkuId,
        subscription_instance_id as x_SubscriptionInstanceId,
        ingestion_date as x_UsageDate,
        usage_date_pacific as x_UsageDatePacific

    from named

)

select * from focus
