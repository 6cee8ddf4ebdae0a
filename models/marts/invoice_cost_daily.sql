{#
    One row per usage date, Pacific usage month, billing account, invoice month, cost type,
    publisher type and currency: what a day of usage adds to each invoice. The building block
    of invoice_reconciliation, which cannot be replaced by date itself: an invoice has many dates.
#}
with charges as (

    select
        *,
        {{ year_month('usage_date_pacific') }} as usage_month_pacific
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

invoice_lines as (

    select
        -- keys
        usage_date,
        usage_month_pacific,
        billing_account_id,
        invoice_month,
        cost_type,
        invoice_publisher_type,
        currency,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(promotion_credits)') }} as promotion_credits,
        {{ money('sum(billed_cost)') }} as billed_cost

    from charges
    group by
        usage_date, usage_month_pacific, billing_account_id, invoice_month, cost_type,
        invoice_publisher_type, currency

)

select * from invoice_lines
