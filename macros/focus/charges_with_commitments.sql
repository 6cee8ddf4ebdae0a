{#
    A query that adds to the rows of `charges` (billing_cost_daily) what they have to do with a commitment:
    commitment_credits, offset_credits, credit_type and credit_name; is_fee; and commitment_id, null where
    there is none.

    Before July 2025 covered usage names its commitment by the credit alone, and a standard export a fee by
    the SKU; a subscription that neither pays a fee nor covers usage is no commitment.
#}
{% macro charges_with_commitments(charges) -%}
    with credited as (

        select
            *,
            {{ credits_of_class('committed_use') }} as commitment_credits,
            {{ credits_of_class('fee_offset') }} as offset_credits,
            {{ commitment_credit('type') }} as credit_type,
            coalesce(
                {{ commitment_credit('full_name') }}, {{ commitment_credit('name') }}
            ) as credit_name
        from {{ charges }}

    ),

    fees as (

        select
            *,
            coalesce(cost_type, '') = 'regular' and {{ is_commitment_fee(
                'credited', 'ingestion_date', 'commitment_credits', 'offset_credits'
            ) }} as is_fee
        from credited

    )

    select
        *,
        case
            when coalesce(cost_type, '') <> 'regular' then null
            when coalesce(transaction_type, 'GOOGLE') <> 'GOOGLE' then null
            when is_fee then coalesce(nullif(subscription_instance_id, ''), sku_description)
            when {{ is_covered_by_price() }} or credit_type is not null
                then coalesce(
                    nullif(consumption_model_applied_subscription_instance_id, ''),
                    nullif(subscription_instance_id, ''),
                    {{ commitment_credit('id') }},
                    credit_name,
                    credit_type,
                    consumption_model_description
                )
        end as commitment_id
    from fees
{%- endmacro %}
