{#
    A query for the rows of `charges` (classified_charges), and one more per fee of a commitment: its
    amortization, a Usage that is effective and not billed. Adds commitment_status.

    With the data model of July 2025 the net of a spend-based fee is what usage did not draw on; before it,
    and always for a resource-based one, a row does not show which part was idle.
#}
{% macro charges_and_amortizations(charges) -%}
    select
        *,
        case when commitment_id is not null and charge_category = 'Usage' then 'Used' end
            as commitment_status
    from {{ charges }}

    union all

    select
        * replace (
            'Usage' as charge_category,
            true as is_amortization,
            billed as effective,
            {{ money('0') }} as billed,
            {{ money('0') }} as cost,
            {{ money('0') }} as cost_at_list,
            {{ money('0') }} as cost_at_effective_price_default,
            {{ money('0') }} as cost_at_list_consumption_model,
            {{ money('0') }} as credits_total,
            0 as usage_amount,
            0 as usage_amount_in_pricing_units
        ),
        case
            when sku_description like 'Commitment v%:%' then 'Used'
            when consumption_model_description is null and offset_credits = 0
                then 'Used'
            else 'Unused'
        end as commitment_status
    from {{ charges }}
    where is_fee
{%- endmacro %}
