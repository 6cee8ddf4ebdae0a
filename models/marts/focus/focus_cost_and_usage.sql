{#
    One row per charge row in FOCUS 1.2 (Cost and Usage), and one more per commitment fee.
    FOCUS gives a Purchase no EffectiveCost, and wants it on what was bought: so a fee is a
    Purchase that is billed and an amortization that is not, and both BilledCost and
    EffectiveCost sum to gcp_silver_cost's net. Credits stay in the charge they are on. Read
    from billing_cost_daily, for silver leaves prices out. Choices and gaps: docs/focus.md.
#}
-- noqa: disable=CP02
with charges as (

    {#- Rendered: as the subquery that --empty makes of ref, it could not be read by partition. #}
    select * from {{ ref('billing_cost_daily').render() }}
    where {{ date_in_slice('ingestion_date') }}

),

services as (

    select * from {{ ref('focus_services') }}

),

regions as (

    select * from {{ ref('focus_regions') }}

),

commitments as (

    {{ charges_with_commitments('charges') }}

),

classified as (

    {{ classified_charges('commitments') }}

),

parts as (

    {{ charges_and_amortizations('classified') }}

),

measured as (

    {{ measured_charges('parts') }}

),

described as (

    {{ described_charges('measured', 'services', 'regions') }}

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
        charge_frequency as ChargeFrequency,
        usage_end_time as ChargePeriodEnd,
        usage_start_time as ChargePeriodStart,
        commitment_category as CommitmentDiscountCategory,
        commitment_id as CommitmentDiscountId,
        commitment_discount_name as CommitmentDiscountName,
        commitment_discount_quantity as CommitmentDiscountQuantity,
        commitment_status as CommitmentDiscountStatus,
        commitment_discount_type as CommitmentDiscountType,
        commitment_discount_unit as CommitmentDiscountUnit,
        consumed_quantity as ConsumedQuantity,
        consumed_unit as ConsumedUnit,
        contracted_cost as ContractedCost,
        case when has_price then contracted_price end as ContractedUnitPrice,
        effective as EffectiveCost,
        billing_account_id || '-' || invoice_month as InvoiceId,
        'Google Cloud' as InvoiceIssuerName,
        coalesce(cost_at_list, contracted_cost) as ListCost,
        list_unit_price as ListUnitPrice,
        pricing_category as PricingCategory,
        currency as PricingCurrency,
        case when has_price then contracted_price end as PricingCurrencyContractedUnitPrice,
        effective as PricingCurrencyEffectiveCost,
        list_unit_price as PricingCurrencyListUnitPrice,
        pricing_quantity as PricingQuantity,
        case when pricing_quantity is not null then unit_of_price end as PricingUnit,
        'Google Cloud' as ProviderName,
        publisher_name as PublisherName,
        location_region as RegionId,
        coalesce(region_name, location_region) as RegionName,
        coalesce(resource_global_name, resource_name) as ResourceId,
        resource_name as ResourceName,
        resource_type as ResourceType,
        coalesce(service_category, 'Other') as ServiceCategory,
        service_description as ServiceName,
        coalesce(service_subcategory, 'Other (Other)') as ServiceSubcategory,
        case when charge_category <> 'Tax' then sku_id end as SkuId,
        case when charge_category <> 'Tax' then sku_description end as SkuMeter,
        sku_price_details as SkuPriceDetails,
        sku_price_id as SkuPriceId,
        project_id as SubAccountId,
        coalesce(project_name, project_id) as SubAccountName,
        case when project_id is not null then 'Project' end as SubAccountType,
        tags_text as Tags,

        adjustment_id as x_AdjustmentId,
        adjustment_type as x_AdjustmentType,
        consumption_model_description as x_ConsumptionModelDescription,
        consumption_model_id as x_ConsumptionModelId,
        cost_at_effective_price_default as x_CostAtEffectivePriceDefault,
        cost_at_list_consumption_model as x_CostAtListConsumptionModel,
        cost_type as x_CostType,
        credits_text as x_Credits,
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

    from described

)

select * from focus
