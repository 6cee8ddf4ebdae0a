{#
    True for a charge that by itself is known for the fee of a commitment: it bears the offset
    that only fees have, or one of Google's names of such SKUs, which standard exports have, too.
#}
{% macro is_named_a_fee(offset='fee_offset_credits') -%}
    (
        coalesce({{ offset }}, 0) <> 0
        or coalesce(sku_description, '') like 'Commitment v%:%'
        or coalesce(sku_description, '') like 'Commitment - dollar based v%:%'
        or coalesce(sku_description, '') like '%CUDs%'
    )
{%- endmacro %}
