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
        last_export_time,
        loaded_at
    from {{ ref('loaded_dates') }}

    union all

    -- a date that was loaded before loaded_dates was there
    select
        usage_date,
        cast(null as {{ engine_type('timestamp') }}) as last_export_time,
        cast(null as {{ engine_type('timestamp') }}) as loaded_at
    from {{ ref('invoice_cost_daily') }}

),

bounds as (

    select
        {{ month_start('min(usage_date)') }} as first_date,
        last_day(max(usage_date)) as last_date,
        {{ day_number(utc_date('max(last_export_time)')) }} as newest_export_day
    from loaded

),

dates as (

    select
        usage_date,
        newest_export_day,
        {{ year_month('usage_date') }} as usage_month,
        {{ day_number('usage_date') }} as day_number
    from bounds
    cross join {{ each_date('first_date', 'last_date') }}

),

marked as (

    select
        usage_date,
        {{ day_number(utc_date('max(loaded_at)')) }} as loaded_day
    from loaded
    group by usage_date

),

calendar as (

    select
        -- keys
        dates.usage_date,

        -- attributes
        dates.usage_month,
        dates.day_number,
        mod(dates.day_number + 3, 7) + 1 as day_of_week,
        marked.usage_date is not null as is_loaded,
        coalesce(
            marked.usage_date is not null
            and dates.day_number + {{ var('settling_days', 2) | int }} < dates.newest_export_day
            -- what came late is there only if the date was loaded after it had come
            and coalesce(
                dates.day_number + {{ var('settling_days', 2) | int }} < marked.loaded_day, true
            ),
            false
        ) as is_settled

    from dates
    left join marked on dates.usage_date = marked.usage_date

)

select * from calendar
