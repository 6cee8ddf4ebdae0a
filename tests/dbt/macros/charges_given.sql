{#
    Charges for a unit test, as rows of the model before the tested one: each a dict of the
    columns that matter to the test, on top of what all have in common; the others are null,
    and all are typed as in the models. A credit is written (type, amount) and perhaps (id, name,
    full_name), a label (key, value), a tag (key, value, namespace). Money is written as text, so
    that no float comes near it. One list of columns serves all the models: a model reads by name,
    and what it does not read does no harm. The two that silver lacks are there only where a test
    names them.
#}
{% macro charges_given(charges, common={}) -%}
    {%- set columns = {
        'text': [
            'billing_account_id', 'service_id', 'sku_id', 'project_id', 'invoice_month',
            'service_description', 'sku_description', 'project_name', 'project_number',
            'project_ancestry_numbers', 'labels_json', 'system_labels_json', 'location_location',
            'location_country', 'location_region', 'location_zone', 'region', 'zone', 'country',
            'resource_name', 'resource_global_name', 'subscription_instance_id',
            'transaction_type', 'seller_name', 'invoice_publisher_type', 'cost_type',
            'adjustment_id', 'adjustment_description', 'adjustment_mode', 'adjustment_type',
            'consumption_model_id', 'consumption_model_description',
            'consumption_model_applied_subscription_instance_id', 'currency', 'usage_unit',
            'usage_pricing_unit', 'price_unit', 'pipeline_logging_id', 'export_ref',
        ],
        'money': [
            'cost', 'credits_total', 'cost_at_list', 'cost_at_effective_price_default',
            'cost_at_list_consumption_model', 'price_effective_price', 'price_tier_start_amount',
            'price_pricing_unit_quantity', 'price_list_price', 'price_effective_price_default',
            'price_list_price_consumption_model', 'list_cost', 'gross_cost', 'default_price_cost',
            'promotion_credits', 'free_tier_credits', 'sustained_use_credits',
            'committed_use_credits', 'fee_offset_credits', 'subscription_credits',
            'discount_credits', 'reseller_margin_credits', 'other_credits', 'billed_cost',
            'billed_cost_usd',
        ],
        'float': [
            'currency_conversion_rate', 'usage_amount', 'usage_amount_in_pricing_units',
        ],
        'boolean': ['is_correction'],
        'date': ['ingestion_date', 'usage_date', 'usage_date_pacific'],
        'timestamp': [
            'usage_start_time', 'usage_end_time', 'export_time', 'export_partition_time',
            'loaded_at',
        ],
    } -%}
    {%- set lists = {
        'credits': {
            'type': 'text', 'amount': 'money', 'id': 'text', 'name': 'text', 'full_name': 'text',
        },
        'labels': {'key': 'text', 'value': 'text'},
        'system_labels': {'key': 'text', 'value': 'text'},
        'project_labels': {'key': 'text', 'value': 'text'},
        'tags': {'key': 'text', 'value': 'text', 'namespace': 'text'},
        'project_ancestors': {'resource_name': 'text', 'display_name': 'text'},
    } -%}
    {%- set known = ['usage_month_pacific', 'charge_rows'] -%}
    {%- for names in columns.values() -%}
        {%- do known.extend(names) -%}
    {%- endfor -%}
    {%- for own in charges or [{}] %}
    {%- set charge = dict(common, **own) %}
    {%- for name in charge if name not in known and name not in lists -%}
        {%- do exceptions.raise_compiler_error("charges_given knows no column " ~ name ~ ".") -%}
    {%- endfor %}
    select
        {%- for type, names in columns.items() %}
        {%- for name in names %}
        cast({{ quote_text(charge.get(name)) }} as {{
            'date' if type == 'date' else engine_type(type)
        }}) as {{ name }},
        {%- endfor %}
        {%- endfor %}
        {%- if 'usage_month_pacific' in charge %}
        {{ quote_text(charge.usage_month_pacific) }} as usage_month_pacific,
        {%- endif %}
        {%- if 'charge_rows' in charge %}
        {{ charge.charge_rows }} as charge_rows,
        {%- endif %}
        {%- for name, fields in lists.items() %}
        {{ list_given(fields, charge.get(name, [])) }} as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from (select 1 as one_row) as given
    {%- if not charges %}
    where one_row = 0
    {%- endif %}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
