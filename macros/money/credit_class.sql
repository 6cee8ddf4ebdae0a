{#
    What a credit is, by its type in the export: one of promotion, free_tier, sustained_use,
    committed_use, fee_offset, subscription, discount, reseller_margin, other. Google adds
    types; an unknown one is `other`, never dropped.
#}
{% macro credit_class(type) -%}
    case {{ type }}
        when 'PROMOTION' then 'promotion'
        when 'FREE_TIER' then 'free_tier'
        when 'SUSTAINED_USAGE_DISCOUNT' then 'sustained_use'
        when 'COMMITTED_USAGE_DISCOUNT' then 'committed_use'
        when 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE' then 'committed_use'
        when 'FEE_UTILIZATION_OFFSET' then 'fee_offset'
        when 'SUBSCRIPTION_BENEFIT' then 'subscription'
        when 'DISCOUNT' then 'discount'
        when 'RESELLER_MARGIN' then 'reseller_margin'
        else 'other'
    end
{%- endmacro %}
