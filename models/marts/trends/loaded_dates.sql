{#
    One row per usage date that was loaded, also where no charge was found: the dates of the
    call, not those of the rows, so that a day without cost differs from a day that
    was not loaded yet.
#}
with charges as (

    select
        usage_date,
        export_time
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

asked as (

    select
        date '{{ slice_dates()[0] }}' as first_date,
        date '{{ slice_dates()[1] }}' as last_date

),

dates as (

    select
        usage_date,
        cast(null as {{ engine_type('timestamp') }}) as export_time,
        0 as charge_rows
    from asked
    cross join {{ each_date('first_date', 'last_date') }}

    union all

    select
        usage_date,
        export_time,
        1 as charge_rows
    from charges

),

loaded as (

    select
        usage_date,
        cast(sum(charge_rows) as bigint) as charge_rows,
        max(export_time) as last_export_time,
        {{ now_utc() }} as loaded_at
    from dates
    group by usage_date

)

select * from loaded
