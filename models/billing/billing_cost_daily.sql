{#
    One row per charge row of the export, for the tenant and the dates in the vars.
    The complete date is replaced, so a retry, a backfill or late data leaves the same rows as
    one clean run, and a date that has become empty stays empty. On BigQuery all partitions from the day
    before the first date up to now are read: corrections come weeks later with the old
    usage date, and a window with an end would lose them.
#}
{{ require_landed_dates() }}
with export_rows as (

    select * from {{ ref('stg_gcp_billing__export') }}
    where
        {{ in_slice('usage_start_time') }}
        and {{ exported_since_slice('export_partition_time') }}

),

charges as (

    select
        -- keys
        billing_account_id,
        service_id,
        sku_id,
        project_id,
        invoice_month,

        -- attributes
        service_description,
        sku_description,
        project_name,
        project_number,
        project_ancestry_numbers,
        project_ancestors,
        project_labels,
        labels,
        system_labels,
        tags,
        {{ json_text('labels') }} as labels_json,
        {{ json_text('system_labels') }} as system_labels_json,
        location_location,
        location_country,
        location_region,
        location_zone,
        resource_name,
        resource_global_name,
        subscription_instance_id,
        transaction_type,
        seller_name,
        invoice_publisher_type,
        cost_type,
        adjustment_id,
        adjustment_description,
        adjustment_mode,
        adjustment_type,
        consumption_model_id,
        consumption_model_description,
        consumption_model_applied_subscription_instance_id,

        -- measures: credits arrive negative, so net is a plain sum
        currency,
        currency_conversion_rate,
        cost,
        credits,
        {{ sum_money('credits', 'amount') }} as credits_total,
        cost_at_list,
        cost_at_effective_price_default,
        cost_at_list_consumption_model,
        usage_amount,
        usage_unit,
        usage_amount_in_pricing_units,
        usage_pricing_unit,
        price_effective_price,
        price_tier_start_amount,
        price_unit,
        price_pricing_unit_quantity,
        price_list_price,
        price_effective_price_default,
        price_list_price_consumption_model,

        -- time
        usage_start_time,
        usage_end_time,
        {{ utc_date('usage_start_time') }} as ingestion_date,
        {{ pacific_date('usage_start_time') }} as usage_date_pacific,
        export_time,
        export_partition_time,

        -- lineage
        export_ref,
        '{{ run_id() }}' as pipeline_logging_id,
        {{ now_utc() }} as loaded_at

    from export_rows

)

select * from charges
