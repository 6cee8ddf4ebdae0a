{#
    One row per charge row: billing_cost_daily cleaned and conformed for analysis. Gross,
    credits by class and net stand side by side, what belongs to no project is marked, and
    each charge has its UTC usage date and its Pacific one (Google's console and invoices).
    Row for row, so that no roll-up can hide a charge: the nine classes of credit sum to
    credits_total, and gross_cost + credits_total is billed_cost.
#}
with charges as (

    {#- Rendered: as the subquery that --empty makes of ref, it could not be read by partition. #}
    select * from {{ ref('billing_cost_daily').render() }}
    where {{ date_in_slice('ingestion_date') }}

),

conformed as (

    select
        -- keys
        billing_account_id,
        service_id,
        sku_id,
        coalesce(project_id, '(unallocated)') as project_id,
        invoice_month,

        -- attributes
        service_description,
        sku_description,
        coalesce(project_name, project_id, '(unallocated)') as project_name,
        project_id is null as is_unallocated,
        project_ancestors,
        project_labels,
        labels,
        system_labels,
        tags,
        coalesce(location_region, location_location, '(none)') as region,
        location_zone as zone,
        location_country as country,
        resource_name,
        resource_global_name,
        subscription_instance_id,
        transaction_type,
        seller_name,
        invoice_publisher_type,
        cost_type,
        adjustment_type is not null or adjustment_id is not null as is_correction,
        consumption_model_id,
        consumption_model_description,
        consumption_model_applied_subscription_instance_id,

        -- measures: list, gross, credits by class, net; all in currency
        currency,
        currency_conversion_rate,
        cost_at_list as list_cost,
        cost as gross_cost,
        cost_at_effective_price_default as default_price_cost,
        {{ credits_of_class('promotion') }} as promotion_credits,
        {{ credits_of_class('free_tier') }} as free_tier_credits,
        {{ credits_of_class('sustained_use') }} as sustained_use_credits,
        {{ credits_of_class('committed_use') }} as committed_use_credits,
        {{ credits_of_class('fee_offset') }} as fee_offset_credits,
        {{ credits_of_class('subscription') }} as subscription_credits,
        {{ credits_of_class('discount') }} as discount_credits,
        {{ credits_of_class('reseller_margin') }} as reseller_margin_credits,
        {{ credits_of_class('other') }} as other_credits,
        credits,
        credits_total,
        {{ money('cost + credits_total') }} as billed_cost,
        {{ in_usd('cost + credits_total', 'currency_conversion_rate') }} as billed_cost_usd,
        usage_amount,
        usage_unit,
        usage_amount_in_pricing_units,
        usage_pricing_unit,

        -- time
        ingestion_date as usage_date,
        usage_date_pacific,
        usage_start_time,
        usage_end_time,
        export_time,

        -- lineage
        pipeline_logging_id

    from charges

)

select * from conformed
