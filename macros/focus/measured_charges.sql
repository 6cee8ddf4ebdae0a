{#
    A query that adds to `charges` (charges_and_amortizations) their quantities and prices. FOCUS wants a
    quantity of whatever is used or bought: what has none is one charge. A price stands only beside the
    export's own quantity.
#}
{% macro measured_charges(charges) -%}
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
    from {{ charges }}
{%- endmacro %}
