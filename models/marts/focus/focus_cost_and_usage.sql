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

-- Before July 2025 covered usage names its commitment by the credit alone; a subscription of
-- another seller is none.
commitments as (

    select
        *,
        cost_type = 'regular' and coalesce(transaction_type, 'GOOGLE') = 'GOOGLE' as is_googles,
        {{ credits_of_class('committed_use') }} as committed_use_credits,
        {{ commitment_credit('type') }} as credit_type,
        coalesce(
            {{ commitment_credit('full_name') }}, {{ commitment_credit('name') }}
        ) as credit_name,
        coalesce(
            consumption_model_applied_subscription_instance_id,
            subscription_instance_id,
            {{ commitment_credit('id') }},
            {{ commitment_credit('full_name') }},
            {{ commitment_credit('name') }},
            {{ commitment_credit('type') }}
        ) as named_commitment,
        coalesce(consumption_model_description, 'Default') <> 'Default' as is_priced_by_commitment
    from charges

),

fees as (

    select
        *,
        coalesce(
            is_googles
            and subscription_instance_id is not null
            and consumption_model_applied_subscription_instance_id is null
            and credit_type is null
            and not is_priced_by_commitment,
            false
        ) as is_fee,
        case when is_googles then named_commitment end as commitment_id
    from commitments

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
        {{ money('cost + credits_total') }} as billed_cost,
        case
            when is_fee then {{ money('0') }} else {{ money('cost + credits_total') }}
        end as effective_cost,
        false as is_amortization
    from fees

),

-- With the data model of July 2025 a fee's net is what usage did not draw on; before, which
-- part lay idle cannot be told from a row.
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
            billed_cost as effective_cost,
            {{ money('0') }} as billed_cost,
            {{ money('0') }} as cost,
            {{ money('0') }} as cost_at_list,
            {{ money('0') }} as cost_at_effective_price_default,
            {{ money('0') }} as cost_at_list_consumption_model,
            {{ money('0') }} as credits_total,
            0 as usage_amount,
            0 as usage_amount_in_pricing_units
        ),
        case
            when consumption_model_description is null and {{ credits_of_class('fee_offset') }} = 0
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

focus as (

    select
        measured.location_zone as AvailabilityZone,
        measured.billed_cost as BilledCost,
        measured.billing_account_id as BillingAccountId,
        cast(null as string) as BillingAccountName,
        'Billing Account' as BillingAccountType,
        measured.currency as BillingCurrency,
        {{ billing_period_start('measured.invoice_month', 1) }} as BillingPeriodEnd,
        {{ billing_period_start('measured.invoice_month') }} as BillingPeriodStart,
        cast(null as string) as CapacityReservationId,
        cast(null as string) as CapacityReservationStatus,
        measured.charge_category as ChargeCategory,
        measured.charge_class as ChargeClass,
        measured.sku_description as ChargeDescription,
        case
            when measured.charge_category = 'Adjustment' then 'One-Time'
            when measured.charge_category = 'Purchase' then 'Recurring'
            when
                measured.subscription_instance_id is not null and measured.commitment_id is null
                then 'Recurring'
            else 'Usage-Based'
        end as ChargeFrequency,
        measured.usage_end_time as ChargePeriodEnd,
        measured.usage_start_time as ChargePeriodStart,
        measured.commitment_category as CommitmentDiscountCategory,
        measured.commitment_id as CommitmentDiscountId,
        case
            when measured.commitment_id is null then null
            when measured.is_fee then measured.sku_description
            else coalesce(
                measured.credit_name, measured.consumption_model_description, measured.sku_description
            )
        end as CommitmentDiscountName,
        case
            when not measured.has_commitment_quantity then null
            when measured.commitment_category = 'Usage' then {{ money('measured.pricing_quantity') }}
            when measured.is_amortization then measured.effective_cost
            when measured.credit_type is not null then -measured.committed_use_credits
            else measured.cost
        end as CommitmentDiscountQuantity,
        measured.commitment_status as CommitmentDiscountStatus,
        case measured.commitment_category
            when 'Usage' then 'Resource-based committed use discount'
            when 'Spend' then 'Spend-based committed use discount'
        end as CommitmentDiscountType,
        case
            when not measured.has_commitment_quantity then null
            when measured.commitment_category = 'Usage' then measured.unit_of_price
            else measured.currency
        end as CommitmentDiscountUnit,
        case
            when measured.is_consumed then coalesce(measured.usage_amount, measured.pricing_quantity)
        end as ConsumedQuantity,
        case
            when not measured.is_consumed then null
            when measured.usage_amount is not null
                then {{ focus_unit("coalesce(measured.usage_unit, 'count')") }}
            when measured.pricing_quantity is not null then measured.unit_of_price
        end as ConsumedUnit,
        measured.contracted_cost as ContractedCost,
        case when measured.has_price then measured.contracted_price end as ContractedUnitPrice,
        measured.effective_cost as EffectiveCost,
        measured.billing_account_id || '-' || measured.invoice_month as InvoiceId,
        'Google Cloud' as InvoiceIssuerName,
        coalesce(measured.cost_at_list, measured.contracted_cost) as ListCost,
        case
            when measured.has_price and measured.cost_at_list is not null
                then measured.price_list_price
        end as ListUnitPrice,
        case
            when measured.charge_category = 'Purchase' then 'Standard'
            when measured.charge_category <> 'Usage' then null
            when measured.commitment_id is not null then 'Committed'
            when
                measured.sku_description like 'Spot %'
                or measured.sku_description like 'Preemptible %'
                then 'Dynamic'
            else 'Standard'
        end as PricingCategory,
        measured.currency as PricingCurrency,
        case when measured.has_price then measured.contracted_price end
            as PricingCurrencyContractedUnitPrice,
        measured.effective_cost as PricingCurrencyEffectiveCost,
        case
            when measured.has_price and measured.cost_at_list is not null
                then measured.price_list_price
        end as PricingCurrencyListUnitPrice,
        measured.pricing_quantity as PricingQuantity,
        case when measured.pricing_quantity is not null then measured.unit_of_price end
            as PricingUnit,
        'Google Cloud' as ProviderName,
        case
            when coalesce(measured.transaction_type, 'GOOGLE') = 'GOOGLE' then 'Google Cloud'
            else coalesce(measured.seller_name, 'Other')
        end as PublisherName,
        measured.location_region as RegionId,
        coalesce(regions.region_name, measured.location_region) as RegionName,
        coalesce(measured.resource_global_name, measured.resource_name) as ResourceId,
        measured.resource_name as ResourceName,
        case
            when coalesce(measured.resource_global_name, measured.resource_name) is not null
                then coalesce(
                    {{ resource_type('measured.resource_global_name') }},
                    measured.service_description
                )
        end as ResourceType,
        coalesce(services.service_category, 'Other') as ServiceCategory,
        measured.service_description as ServiceName,
        coalesce(services.service_subcategory, 'Other (Other)') as ServiceSubcategory,
        case when measured.charge_category <> 'Tax' then measured.sku_id end as SkuId,
        case when measured.charge_category <> 'Tax' then measured.sku_description end as SkuMeter,
        case
            when measured.charge_category <> 'Tax' and measured.price_tier_start_amount is not null
                then concat(
                    '{"x_TierStartAmount":',
                    {{ plain_number('measured.price_tier_start_amount') }},
                    '}'
                )
        end as SkuPriceDetails,
        case
            when measured.charge_category <> 'Tax' then concat(
                measured.sku_id,
                coalesce(
                    '-' || {{ plain_number('measured.price_tier_start_amount') }}, ''
                )
            )
        end as SkuPriceId,
        measured.project_id as SubAccountId,
        coalesce(measured.project_name, measured.project_id) as SubAccountName,
        case when measured.project_id is not null then 'Project' end as SubAccountType,
        {{ tags_object([
            ('measured.labels', "''"),
            ('measured.project_labels', "'project:'"),
            ('measured.tags', "'tag:' || coalesce(item.namespace || '/', '')"),
            ('measured.system_labels', "'google:'"),
        ]) }} as Tags,

        measured.adjustment_id as x_AdjustmentId,
        measured.adjustment_type as x_AdjustmentType,
        measured.consumption_model_description as x_ConsumptionModelDescription,
        measured.consumption_model_id as x_ConsumptionModelId,
        measured.cost_at_effective_price_default as x_CostAtEffectivePriceDefault,
        measured.cost_at_list_consumption_model as x_CostAtListConsumptionModel,
        measured.cost_type as x_CostType,
        case
            when not measured.is_amortization then {{ json_text('measured.credits') }}
        end as x_Credits,
        measured.credits_total as x_CreditsTotal,
        measured.currency_conversion_rate as x_CurrencyConversionRate,
        measured.export_time as x_ExportTime,
        measured.cost as x_GrossCost,
        measured.invoice_month as x_InvoiceMonth,
        measured.is_amortization as x_IsAmortization,
        measured.location_location as x_Location,
        measured.price_effective_price as x_PriceEffectivePrice,
        measured.price_list_price_consumption_model as x_PriceListPriceConsumptionModel,
        measured.project_number as x_ProjectNumber,
        measured.service_id as x_ServiceId,
        measured.sku_id as x_SkuId,
        measured.subscription_instance_id as x_SubscriptionInstanceId,
        measured.ingestion_date as x_UsageDate,
        measured.usage_date_pacific as x_UsageDatePacific

    from measured
    left join services on measured.service_description = services.service_description
    left join regions on measured.location_region = regions.region_id

)

select * from focus
