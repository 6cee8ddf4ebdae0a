{#
    A query that adds to `charges` (charges_with_commitments) FOCUS's charge_category and charge_class, the
    commitment_category, and what is billed and effective. A correction within its own month is none to
    FOCUS: that invoice was not yet out.
#}
{% macro classified_charges(charges) -%}
    select
        *,
        case
            when cost_type = 'tax' then 'Tax'
            when cost_type = 'regular' then case when is_fee then 'Purchase' else 'Usage' end
            else 'Adjustment'
        end as charge_category,
        case
            when
                (adjustment_type is not null or adjustment_id is not null)
                and {{ year_month('usage_date_pacific') }} < invoice_month
                then 'Correction'
        end as charge_class,
        case
            when credit_type = 'COMMITTED_USAGE_DISCOUNT' then 'Usage'
            when is_fee and sku_description like 'Commitment v%' then 'Usage'
            when commitment_id is not null then 'Spend'
        end as commitment_category,
        {{ money('cost + credits_total') }} as billed,
        case
            when is_fee then {{ money('0') }} else {{ money('cost + credits_total') }}
        end as effective,
        false as is_amortization
    from {{ charges }}
{%- endmacro %}
