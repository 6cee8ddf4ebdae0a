{#
    One row per charge row of the tenant's Cloud Billing exports: flattened, renamed, cast,
    and only the tenant's. Columns are taken by name, never *: Google adds columns, and one
    that an older or a standard export lacks is a typed null here. Rows are neither dropped
    nor merged: the export has no row id, and two identical rows are two charges.
#}
{%- set exports = tenant_exports(ref('x_meta_exports'), are_checked=true) -%}
{%- set key_value = [('key', 'text'), ('value', 'text')] -%}

{%- for export in exports %}
{%- set is_landed = export.form == 'landed' %}
select
    -- keys
    {{ export_field(export, 'billing_account_id') }} as billing_account_id,
    {{ export_field(export, 'service.id') }} as service_id,
    {{ export_field(export, 'sku.id') }} as sku_id,
    {{ project_of(export) }} as project_id,
    {{ export_field(export, 'invoice.month') }} as invoice_month,

    -- attributes
    {{ export_field(export, 'service.description') }} as service_description,
    {{ export_field(export, 'sku.description') }} as sku_description,
    {{ export_field(export, 'project.name') }} as project_name,
    {{ export_field(export, 'project.number') }} as project_number,
    {{ export_field(export, 'project.ancestry_numbers') }} as project_ancestry_numbers,
    {{ export_list(
        export, 'project.ancestors', [('resource_name', 'text'), ('display_name', 'text')]
    ) }} as project_ancestors,
    {{ export_list(export, 'project.labels', key_value) }} as project_labels,
    {{ export_list(export, 'labels', key_value) }} as labels,
    {{ export_list(export, 'system_labels', key_value) }} as system_labels,
    {{ export_list(
        export, 'tags', key_value + [('inherited', 'boolean'), ('namespace', 'text')]
    ) }} as tags,
    {{ export_field(export, 'location.location') }} as location_location,
    {{ export_field(export, 'location.country') }} as location_country,
    {{ export_field(export, 'location.region') }} as location_region,
    {{ export_field(export, 'location.zone') }} as location_zone,
    {{ export_field(export, 'resource.name') }} as resource_name,
    {{ export_field(export, 'resource.global_name') }} as resource_global_name,
    {{ export_field(export, 'subscription.instance_id') }} as subscription_instance_id,
    {{ export_field(export, 'transaction_type') }} as transaction_type,
    {{ export_field(export, 'seller_name') }} as seller_name,
    {{ export_field(export, 'invoice.publisher_type') }} as invoice_publisher_type,
    {{ export_field(export, 'cost_type') }} as cost_type,
    {{ export_field(export, 'adjustment_info.id') }} as adjustment_id,
    {{ export_field(export, 'adjustment_info.description') }} as adjustment_description,
    {{ export_field(export, 'adjustment_info.mode') }} as adjustment_mode,
    {{ export_field(export, 'adjustment_info.type') }} as adjustment_type,
    {{ export_field(export, 'consumption_model.id') }} as consumption_model_id,
    {{ export_field(export, 'consumption_model.description') }} as consumption_model_description,
    {{ export_field(
        export, 'consumption_model.applied_subscription_instance_id'
    ) }} as consumption_model_applied_subscription_instance_id,

    -- measures
    {{ export_field(export, 'currency') }} as currency,
    {{ export_field(export, 'currency_conversion_rate', 'float') }} as currency_conversion_rate,
    {{ export_field(export, 'cost', 'money') }} as cost,
    {{ export_list(export, 'credits', [
        ('name', 'text'), ('amount', 'money'), ('full_name', 'text'), ('id', 'text'), ('type', 'text')
    ]) }} as credits,
    {{ export_field(export, 'cost_at_list', 'money') }} as cost_at_list,
    {{ export_field(
        export, 'cost_at_effective_price_default', 'money'
    ) }} as cost_at_effective_price_default,
    {{ export_field(
        export, 'cost_at_list_consumption_model', 'money'
    ) }} as cost_at_list_consumption_model,
    {{ export_field(export, 'usage.amount', 'float') }} as usage_amount,
    {{ export_field(export, 'usage.unit') }} as usage_unit,
    {{ export_field(
        export, 'usage.amount_in_pricing_units', 'float'
    ) }} as usage_amount_in_pricing_units,
    {{ export_field(export, 'usage.pricing_unit') }} as usage_pricing_unit,
    {{ export_field(export, 'price.effective_price', 'money') }} as price_effective_price,
    {{ export_field(export, 'price.tier_start_amount', 'money') }} as price_tier_start_amount,
    {{ export_field(export, 'price.unit') }} as price_unit,
    {{ export_field(
        export, 'price.pricing_unit_quantity', 'money'
    ) }} as price_pricing_unit_quantity,
    {{ export_field(export, 'price.list_price', 'money') }} as price_list_price,
    {{ export_field(
        export, 'price.effective_price_default', 'money'
    ) }} as price_effective_price_default,
    {{ export_field(
        export, 'price.list_price_consumption_model', 'money'
    ) }} as price_list_price_consumption_model,

    -- time
    {{ export_field(export, 'usage_start_time', 'timestamp') }} as usage_start_time,
    {{ export_field(export, 'usage_end_time', 'timestamp') }} as usage_end_time,
    {{ export_field(export, 'export_time', 'timestamp') }} as export_time,
    {{ export_field(export, '_PARTITIONTIME', 'timestamp') }} as export_partition_time,

    -- lineage
    {{ 'export_ref' if is_landed else quote_text(export_id(export.ref)) }} as export_ref

from {{ export.relation }}
where {{ of_tenant(export) }}
{{ 'union all' if not loop.last }}
{%- else %}
select 1 as parsed_only
{%- endfor %}
