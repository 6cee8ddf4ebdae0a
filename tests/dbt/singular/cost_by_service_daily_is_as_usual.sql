{#
    Rows and net cost of a date are about what they were on the same weekday: not far from the
    median of the last 28 days, nor from a week before (so that a new level is reported for a week,
    not for a month). Only dates that have settled, for rows keep arriving for two days, and only
    with three of the four weekdays loaded. A date that lost all its rows is compared, too.

    The median of three or four values is what is left without the least and the greatest,
    shared out; less than one unit of the currency is no change.
#}
{{ config(severity='warn') }}

{%- set usual_change = var('usual_change_of_a_weekday') %}
{%- set until_the_last = 'usage_date <= (select max(loaded.usage_date) from loaded)' %}
with loaded as (

    select
        usage_date,
        currency,
        sum(charge_rows) as charge_rows,
        sum(billed_cost) as billed_cost
    from {{ ref('cost_by_service_daily') }}
    {%- if has_slice() %}
    where
        usage_date between
        date '{{ shift_date(slice_dates()[0], -28) }}' and date '{{ slice_dates()[1] }}'
    {%- endif %}
    group by usage_date, currency

),

weeks as (

    select 0 as weeks_before
    {%- for week in range(1, 5) %}
    union all
    select {{ week }} as weeks_before
    {%- endfor %}

),

-- each loaded date beside those that it is compared with: itself and 1 to 4 weeks later
seen as (

    select
        loaded.currency,
        weeks.weeks_before,
        loaded.charge_rows,
        loaded.billed_cost,
        case when weeks.weeks_before > 0 then loaded.charge_rows end as rows_before,
        case when weeks.weeks_before > 0 then loaded.billed_cost end as cost_before,
        loaded.usage_date + 7 * weeks.weeks_before as usage_date
    from loaded
    cross join weeks

),

compared as (

    select
        usage_date,
        currency,
        coalesce(sum(case when weeks_before = 0 then charge_rows end), 0) as rows_found,
        sum(case when weeks_before = 1 then charge_rows end) as rows_a_week_before,
        {{ divide(
            'sum(rows_before) - min(rows_before) - max(rows_before)', 'count(rows_before) - 2'
        ) }} as rows_usual,
        coalesce(sum(case when weeks_before = 0 then billed_cost end), 0) as cost_found,
        sum(case when weeks_before = 1 then billed_cost end) as cost_a_week_before,
        {{ divide(
            'sum(cost_before) - min(cost_before) - max(cost_before)', 'count(cost_before) - 2'
        ) }} as cost_usual
    from seen
    where
        {{ date_in_slice('usage_date') if has_slice() else until_the_last }}
        and usage_date <= {{ utc_date(now_utc()) }} - 2
    group by usage_date, currency
    having count(rows_before) >= 3

)

select * from compared
where
    (
        abs(rows_found - rows_usual) > {{ usual_change }} * rows_usual
        and abs(rows_found - coalesce(rows_a_week_before, 0))
        > {{ usual_change }} * coalesce(rows_a_week_before, 0)
    )
    or (
        abs(cost_found - cost_usual) > greatest({{ usual_change }} * abs(cost_usual), 1)
        and abs(cost_found - coalesce(cost_a_week_before, 0))
        > {{ usual_change }} * abs(coalesce(cost_a_week_before, 0))
    )
