{#
    One row per billing account, invoice month, currency, cost type and publisher type: what
    the loaded dates show of each invoice, to be compared with the invoice itself. Only
    invoice_month reconciles: late usage rolls into a later invoice, so the part whose usage
    lies in another (Pacific) month stands apart.
#}
{{ config(materialized='view') }}

with invoice_lines as (

    select * from {{ ref('invoice_cost_daily') }}

),

invoices as (

    select
        -- keys
        billing_account_id,
        invoice_month,
        currency,
        cost_type,
        invoice_publisher_type,

        -- measures
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(promotion_credits)') }} as promotion_credits,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money(
            'sum(case when usage_month_pacific = invoice_month then 0 else billed_cost end)'
        ) }} as cross_month_billed_cost,

        -- time
        min(usage_date) as first_usage_date,
        max(usage_date) as last_usage_date

    from invoice_lines
    group by billing_account_id, invoice_month, currency, cost_type, invoice_publisher_type

)

select * from invoices
