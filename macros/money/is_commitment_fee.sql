{#
    True for a charge of `charges`, a CTE with the columns of gcp_silver_cost (others where named),
    that is the fee of a commitment, not usage. The export has no column for it. Either the
    charge is named a fee (is_named_a_fee), or it is of a subscription that on the same date is
    known for a commitment: by such a fee, by Google's label for the SKU that drew on it, or by
    usage priced by it. So a subscription of Google's to something else, such as Workspace, is
    none, and an empty id names none. Tax and rounding are no fee; what takes a fee back is one,
    with its sign.
#}
{% macro is_commitment_fee(
    charges, date='usage_date', covered='committed_use_credits', offset='fee_offset_credits'
) -%}
    (
        coalesce(cost_type, 'regular') in ('regular', 'adjustment')
        and coalesce(transaction_type, 'GOOGLE') = 'GOOGLE'
        and coalesce(invoice_publisher_type, 'GOOGLE') = 'GOOGLE'
        and coalesce({{ covered }}, 0) = 0
        and not {{ is_covered_by_price() }}
        and (
            {{ is_named_a_fee(offset) }}
            or coalesce(
                nullif(subscription_instance_id, '') || ' ' || cast({{ date }} as string), ''
            ) in (
                select
                    coalesce(
                        nullif(other.consumption_model_applied_subscription_instance_id, ''),
                        nullif(other.subscription_instance_id, '')
                    ) || ' ' || cast(other.{{ date }} as string)
                from {{ charges }} as other
                where
                    coalesce(
                        nullif(other.consumption_model_applied_subscription_instance_id, ''),
                        nullif(other.subscription_instance_id, '')
                    ) is not null
                    and (
                        {{ is_named_a_fee(offset) }}
                        or {{ is_covered_by_price() }}
                        or {{ has_label('other.labels', 'goog-originating-sku-id') }}
                    )
            )
        )
    )
{%- endmacro %}
