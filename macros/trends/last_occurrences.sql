{#
    A query for the last occurrence of each charge that comes once a month, for each month of `months` that
    is not settled completely: see monthly_charges_to_come. `gap` is the number of days since the one
    before, earlier_gap that between the two before; null where there is none 27 to 33 days before.
#}
{% macro last_occurrences(months, sku_days) -%}
    with dated as (

        select
            months.usage_month,
            months.billing_account_id,
            months.currency,
            months.settled_until,
            months.first_day as first_month_day,
            months.last_day as last_month_day,
            months.month_number as last_month_number,
            months.baseline_cost,
            sku_days.project_id,
            sku_days.service_id,
            sku_days.sku_id,
            sku_days.usage_date,
            sku_days.day_number,
            sku_days.billed_cost,
            lag(sku_days.day_number) over (
                partition by
                    months.usage_month, months.billing_account_id, months.currency,
                    sku_days.project_id, sku_days.service_id, sku_days.sku_id
                order by sku_days.day_number
            ) as day_before
        from {{ months }} as months
        inner join {{ sku_days }} as sku_days
            on
                months.billing_account_id = sku_days.billing_account_id
                and months.currency = sku_days.currency
                and sku_days.day_number between months.settled_until - 110 and months.settled_until
        where months.remaining_days > 0

    ),

    numbered as (

        select
            *,
            sum(case when day_number - day_before <= 4 then 0 else 1 end) over (
                partition by
                    usage_month, billing_account_id, currency, project_id, service_id, sku_id
                order by day_number
            ) as occurrence
        from dated

    ),

    occurrences as (

        select
            usage_month,
            billing_account_id,
            currency,
            project_id,
            service_id,
            sku_id,
            settled_until,
            first_month_day,
            last_month_day,
            last_month_number,
            baseline_cost,
            min(day_number) as first_day,
            max(day_number) - min(day_number) as days_long,
            extract(year from min(usage_date)) * 12 + extract(month from min(usage_date))
                as month_number,
            {{ money('sum(billed_cost)') }} as billed_cost
        from numbered
        group by
            usage_month, billing_account_id, currency, project_id, service_id, sku_id,
            settled_until, first_month_day, last_month_day, last_month_number, baseline_cost,
            occurrence

    ),

    paced as (

        select
            *,
            first_day - lag(first_day) over one_sku as gap,
            month_number - lag(month_number) over one_sku as month_gap,
            case
                when
                    lag(days_long, 2) over one_sku <= 3
                    and lag(first_day) over one_sku - lag(first_day, 2) over one_sku
                    between 27 and 33
                    then lag(first_day) over one_sku - lag(first_day, 2) over one_sku
            end as earlier_gap,
            lag(month_number) over one_sku - lag(month_number, 2) over one_sku
                as month_gap_before,
            lag(billed_cost) over one_sku as cost_before,
            greatest(days_long, lag(days_long) over one_sku) as longest,
            lead(first_day) over one_sku as next_day
        from occurrences
        window one_sku as (
            partition by usage_month, billing_account_id, currency, project_id, service_id, sku_id
            order by first_day
        )

    )

    select
        *,
        case when earlier_gap is not null then month_gap_before end as earlier_month_gap
    from paced
    where
        next_day is null
        and longest <= 3
        and gap between 27 and 33
        and settled_until - first_day <= 35
        and abs(billed_cost - cost_before) * 2 <= greatest(abs(billed_cost), abs(cost_before))
        and abs(billed_cost) * 100 > abs(baseline_cost)
{%- endmacro %}
