{#
    The export's columns as Google documents them: record or scalar name, and the fields
    without which a bill cannot be made. All others may be missing from an older or a
    standard export and become typed nulls.
#}
{% macro export_columns() -%}
    {{ return({
        'known': [
            'billing_account_id', 'service', 'sku', 'usage_start_time', 'usage_end_time', 'project',
            'labels', 'system_labels', 'location', 'resource', 'tags', 'price', 'subscription',
            'transaction_type', 'seller_name', 'export_time', 'cost', 'currency',
            'currency_conversion_rate', 'usage', 'credits', 'invoice', 'cost_type',
            'adjustment_info', 'cost_at_list', 'consumption_model',
            'cost_at_effective_price_default', 'cost_at_list_consumption_model',
        ],
        'required': [
            'billing_account_id', 'service.id', 'service.description', 'sku.id',
            'sku.description', 'usage_start_time', 'usage_end_time', 'project.id', 'labels.key',
            'labels.value', 'export_time', 'cost', 'currency', 'currency_conversion_rate',
            'usage.amount', 'usage.unit', 'credits.name', 'credits.amount', 'invoice.month',
            'cost_type',
        ],
        'partition_time': '_PARTITIONTIME',
    }) }}
{%- endmacro %}
