{#
    One row per usage date, billing account, service, SKU and currency, for each SKU that a
    commitment covered that day: how much of it was covered, all at the price before commitments.
    The export does not show which usage could be covered; a SKU of which a part was, can. SKUs
    that no commitment touched are not here, so the coverage of a complete account is at most this.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

usage_charges as (

    select
        *,
        {{ is_covered_by_price() }} as is_covered_by_price,
        -{{ sum_money('credits', 'amount', "item.type = 'COMMITTED_USAGE_DISCOUNT'") }}
            as resource_covered,
        -{{ sum_money('credits', 'amount', "item.type = 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'") }}
            as credit_covered
    from charges
    where not {{ is_commitment_fee('charges') }}

),

skus as (

    select
        -- keys
        usage_date,
        billing_account_id,
        service_id,
        sku_id,
        currency,

        -- attributes
        max(sku_description) as sku_description,
        max(case
            when is_covered_by_price or resource_covered <> 0 or credit_covered <> 0 then 1
            else 0
        end) = 1 as is_covered,
        max(case when is_covered_by_price and default_price_cost is null then 1 else 0 end) = 1
            as is_unpriced,

        -- measures
        sum(coalesce(default_price_cost, gross_cost)) as eligible_cost,
        sum(resource_covered) as resource_covered_cost,
        sum(credit_covered + case when is_covered_by_price then default_price_cost else 0 end)
            as spend_covered_cost,
        sum(committed_use_credits) as committed_use_credits

    from usage_charges
    group by usage_date, billing_account_id, service_id, sku_id, currency

),

covered as (

    select
        -- keys
        usage_date,
        billing_account_id,
        service_id,
        sku_id,
        currency,

        -- attributes
        sku_description,

        -- measures: null where the price before commitments is not known
        {{ money('case when not is_unpriced then eligible_cost end') }} as eligible_cost,
        {{ money('resource_covered_cost') }} as resource_covered_cost,
        {{ money('case when not is_unpriced then spend_covered_cost end') }} as spend_covered_cost,
        {{ money('committed_use_credits') }} as committed_use_credits,
        {{ divide(
            'case when not is_unpriced then resource_covered_cost + spend_covered_cost end', 'eligible_cost'
        ) }} as coverage

    from skus
    where is_covered

)

select * from covered
