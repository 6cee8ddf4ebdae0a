{#
    True for a charge of gcp_silver_cost that is the fee of a commitment, not usage: it bears an
    offset, or has one of Google's names for such fees, or belongs to a subscription of Google's
    own without being usage that a commitment covers. The export has no column that says so.
#}
{% macro is_commitment_fee() -%}
    (
        coalesce(committed_use_credits, 0) = 0
        and not {{ is_covered_by_price() }}
        and (
            coalesce(fee_offset_credits, 0) <> 0
            or coalesce(sku_description, '') like 'Commitment v%:%'
            or coalesce(sku_description, '') like 'Commitment - dollar based v%:%'
            or (
                subscription_instance_id is not null
                and coalesce(transaction_type, 'GOOGLE') = 'GOOGLE'
                and coalesce(invoice_publisher_type, 'GOOGLE') = 'GOOGLE'
            )
        )
    )
{%- endmacro %}
