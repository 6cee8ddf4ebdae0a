{#
    A query that adds to `charges` (measured_charges) what FOCUS describes in words: frequency, names,
    units, categories of price and service, and the texts of tags and of the SKU's price. `services` and
    `regions` are the seeds of these names.
#}
{% macro described_charges(charges, services, regions) -%}
    select
        *,
        case
            when charge_category = 'Adjustment' then 'One-Time'
            when charge_category = 'Purchase' then 'Recurring'
            when
                subscription_instance_id is not null and commitment_id is null
                then 'Recurring'
            else 'Usage-Based'
        end as charge_frequency,
        case
            when commitment_id is null then null
            when is_fee then sku_description
            else coalesce(
                credit_name, consumption_model_description, sku_description
            )
        end as commitment_discount_name,
        case
            when not has_commitment_quantity then null
            when commitment_category = 'Usage' then {{ quantity('pricing_quantity') }}
            when is_amortization then effective
            when credit_type is not null then -commitment_credits
            else cost
        end as commitment_discount_quantity,
        case commitment_category
            when 'Usage' then 'Resource-based committed use discount'
            when 'Spend' then 'Spend-based committed use discount'
        end as commitment_discount_type,
        case
            when not has_commitment_quantity then null
            when commitment_category = 'Usage' then unit_of_price
            else currency
        end as commitment_discount_unit,
        case
            when is_consumed then coalesce(usage_amount, pricing_quantity)
        end as consumed_quantity,
        case
            when not is_consumed then null
            when usage_amount is not null
                then {{ focus_unit("coalesce(usage_unit, usage_pricing_unit, 'count')") }}
            when pricing_quantity is not null then unit_of_price
        end as consumed_unit,
        case
            when has_price and cost_at_list is not null
                then price_list_price
        end as list_unit_price,
        case
            when charge_category = 'Purchase' then 'Standard'
            when charge_category <> 'Usage' then null
            when commitment_id is not null then 'Committed'
            when
                sku_description like 'Spot %'
                or sku_description like 'Preemptible %'
                then 'Dynamic'
            else 'Standard'
        end as pricing_category,
        case
            when coalesce(transaction_type, 'GOOGLE') = 'GOOGLE' then 'Google Cloud'
            else coalesce(seller_name, 'Other')
        end as publisher_name,
        case
            when coalesce(resource_global_name, resource_name) is not null
                then coalesce(
                    {{ resource_type('resource_global_name') }},
                    service_description
                )
        end as resource_type,
        case
            when charge_category <> 'Tax' and price_tier_start_amount is not null
                then concat(
                    '{"x_TierStartAmount":',
                    {{ plain_number('price_tier_start_amount') }},
                    '}'
                )
        end as sku_price_details,
        case
            when charge_category <> 'Tax' then concat(
                sku_id,
                coalesce(
                    '-' || {{ plain_number('price_tier_start_amount') }}, ''
                )
            )
        end as sku_price_id,
        {{ tags_object([
            ('labels', "''"),
            ('project_labels', "'project:'"),
            ('tags', "'tag:' || coalesce(item.namespace || '/', '')"),
            ('system_labels', "'google:'"),
        ]) }} as tags_text,
        case
            when not is_amortization then {{ json_text('credits') }}
        end as credits_text
    from (
        select
            measured.*,
            services.service_category,
            services.service_subcategory,
            regions.region_name
        from {{ charges }} as measured
        left join {{ services }} as services
            on measured.service_description = services.service_description
        left join {{ regions }} as regions on measured.location_region = regions.region_id
    ) as named
{%- endmacro %}
