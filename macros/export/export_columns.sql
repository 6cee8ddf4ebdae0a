{#
    The export's columns as Google documents them (dbt_project/schemas): every scalar's dotted
    path by its type, `documented` all of them, `known` their first parts, `repeated` the records that
    are lists, and `required` those without which a bill cannot be made. All others may be missing from
    an older or a standard export and become typed nulls. `valued` are the required ones that every
    charge has; the others may be null in all rows, such as the project of a file of taxes.
#}
{% macro export_columns() -%}
    {%- set types = {
        'STRING': [
            'billing_account_id', 'service.id', 'service.description', 'sku.id',
            'sku.description', 'project.id', 'project.number', 'project.name',
            'project.labels.key', 'project.labels.value', 'project.ancestry_numbers',
            'project.ancestors.resource_name', 'project.ancestors.display_name', 'labels.key',
            'labels.value', 'system_labels.key', 'system_labels.value', 'location.location',
            'location.country', 'location.region', 'location.zone', 'resource.name',
            'resource.global_name', 'tags.key', 'tags.value', 'tags.namespace', 'price.unit',
            'subscription.instance_id', 'transaction_type', 'seller_name', 'currency',
            'usage.unit', 'usage.pricing_unit', 'credits.name', 'credits.full_name', 'credits.id',
            'credits.type', 'invoice.month', 'invoice.publisher_type', 'cost_type',
            'adjustment_info.id', 'adjustment_info.description', 'adjustment_info.mode',
            'adjustment_info.type', 'consumption_model.id', 'consumption_model.description',
            'consumption_model.applied_subscription_instance_id',
        ],
        'FLOAT64': [
            'cost', 'currency_conversion_rate', 'usage.amount', 'usage.amount_in_pricing_units',
            'credits.amount', 'cost_at_list', 'cost_at_effective_price_default',
            'cost_at_list_consumption_model',
        ],
        'NUMERIC': [
            'price.effective_price', 'price.tier_start_amount', 'price.pricing_unit_quantity',
            'price.list_price', 'price.effective_price_default',
            'price.list_price_consumption_model',
        ],
        'TIMESTAMP': ['usage_start_time', 'usage_end_time', 'export_time'],
        'BOOL': ['tags.inherited'],
    } -%}
    {%- set documented, known = [], [] -%}
    {%- for paths in types.values() -%}
        {%- do documented.extend(paths) -%}
    {%- endfor -%}
    {%- for path in documented -%}
        {%- if path.split('.')[0] not in known -%}
            {%- do known.append(path.split('.')[0]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        'types': types,
        'documented': documented,
        'known': known,
        'repeated': [
            'project.labels', 'project.ancestors', 'labels', 'system_labels', 'tags', 'credits',
        ],
        'required': [
            'billing_account_id', 'service.id', 'service.description', 'sku.id',
            'sku.description', 'usage_start_time', 'usage_end_time', 'project.id', 'labels.key',
            'labels.value', 'export_time', 'cost', 'currency', 'currency_conversion_rate',
            'usage.amount', 'usage.unit', 'credits.name', 'credits.amount', 'invoice.month',
            'cost_type',
        ],
        'valued': [
            'billing_account_id', 'service.id', 'sku.id', 'usage_start_time', 'usage_end_time',
            'export_time', 'cost', 'currency', 'currency_conversion_rate', 'invoice.month', 'cost_type',
        ],
        'partition_time': '_PARTITIONTIME',
    }) }}
{%- endmacro %}
