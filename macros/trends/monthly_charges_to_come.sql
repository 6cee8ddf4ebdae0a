{#
    A query for the charges that come once a month and are expected in the rest of a month of `months`:
    per month, billing account and currency expected_cost, uncertain_cost and
    twice_variance (a float).

    An occurrence is what a SKU of a project costs within four days. It comes once a month when the last two
    began 27 to 33 days apart, the last of them within the last 35 settled days. When the next one falls due
    follows one of two rules: once in each calendar month, or after as many days as the last time. A third
    occurrence before them shows which of the rules holds. Where it does not, and the rules disagree about this
    month, half of the charge is expected, and the other half is uncertain. It is expected to cost what it
    did the last time, give or take the last change.
#}
{% macro monthly_charges_to_come(months, sku_days) -%}
    select
        usage_month,
        billing_account_id,
        currency,
        {{ divide('sum(billed_cost * (calendar_share + gap_share))', '2') }} as expected_cost,
        {{ divide('sum(abs(billed_cost * (calendar_share - gap_share)))', '2') }} as uncertain_cost,
        sum(pow(billed_cost - cost_before, 2) * (calendar_share + gap_share)) as twice_variance
    from (
        select
            usage_month,
            billing_account_id,
            currency,
            billed_cost,
            cost_before,
            case when fits_calendar or not fits_gap then is_due_by_calendar else is_due_by_gap end
                as calendar_share,
            case when fits_gap or not fits_calendar then is_due_by_gap else is_due_by_calendar end
                as gap_share
        from (
            select
                *,
                month_gap = 1 and coalesce(earlier_month_gap, 1) = 1 as fits_calendar,
                coalesce(earlier_gap, gap) = gap as fits_gap,
                case when month_number < last_month_number then 1 else 0 end as is_due_by_calendar,
                case
                    when
                        first_day + gap > settled_until
                        and first_day + gap between first_month_day and last_month_day
                        then 1
                    else 0
                end as is_due_by_gap
            from ({{ last_occurrences(months, sku_days) }}) as last_occurrences
        ) as due
    ) as shares
    group by usage_month, billing_account_id, currency
{%- endmacro %}
