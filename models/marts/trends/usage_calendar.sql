{#
    One row per date (UTC) of the months that have loaded dates, with what is known of it:
    whether it was loaded, and whether late charges have had time to come. Settled is
    relative to the newest export_time that was loaded, not to the clock: a tenant whose
    export has stopped has days that are not settled, however long ago they are.
#}
{{ config(materialized='view') }}

with loaded as (

    select
        usage_date,
        last_export_time
    from {{ ref('loaded_dates') }}

    union all

    -- a date that was loaded before loaded_dates was there
    select
        usage_date,
        cast(null as {{ engine_type('moment') }}) as last_export_time
    from {{ ref('invoice_cost_daily') }}

),

bounds as (

    select
        {{ month_start('min(usage_date)') }} as first_date,
        last_day(max(usage_date)) as last_date,
        cast(max(last_export_time) as date) as newest_export_date
    from loaded

),

dates as (

    select
        usage_date,
        bounds.newest_export_date
    from bounds
    cross join {{ each_date('bounds.first_date', 'bounds.last_date') }}

),

marked as (

    select usage_date
    from loaded
    group by usage_date

),

calendar as (

    select
        -- keys
        dates.usage_date,

        -- attributes
        {{ year_month('dates.usage_date') }} as usage_month,
        {{ day_number('dates.usage_date') }} as day_number,
        mod({{ day_number('dates.usage_date') }} + 3, 7) + 1 as day_of_week,
        marked.usage_date is not null as is_loaded,
        coalesce(
            {{ day_number('marked.usage_date') }} + {{ var('settling_days', 2) | int }}
            < {{ day_number('dates.newest_export_date') }},
            false
        ) as is_settled

    from dates
    left join marked on dates.usage_date = marked.usage_date

)

select * from calendar
