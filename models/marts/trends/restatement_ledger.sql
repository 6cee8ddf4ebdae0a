{#
    One row per run, usage date, billing account and currency: what the bill of a date was after
    each run that loaded it, and by how much that run moved it. Rows are added and never
    replaced by date, for the bill forgets what it was; only the same run may write its own
    rows again. Whatever a date was once billed gets a row from every later run, 0 when its
    charges no longer exist, so that the changes of a date add up to its bill.
#}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

recorded as (

    {% if is_incremental() %}
    select * from {{ this }}
    where
        {{ date_in_slice('usage_date') }}
        -- what this run has written before is replaced, on BigQuery before this is read
        and pipeline_logging_id <> '{{ run_id() }}'
    {% else %}
    {{ declared_rows() }}
    {% endif %}

),

last_loads as (

    select
        usage_date,
        max(load_number) as load_number,
        max(recorded_at) as recorded_at
    from recorded
    group by usage_date

),

bills as (

    select
        usage_date,
        billing_account_id,
        currency,
        1 as charge_rows,
        gross_cost,
        credits_total,
        billed_cost,
        {{ money('0') }} as previous_billed_cost
    from charges

    union all

    -- what was once billed gets a row, also when it no longer exists
    select
        recorded.usage_date,
        recorded.billing_account_id,
        recorded.currency,
        0 as charge_rows,
        {{ money('0') }} as gross_cost,
        {{ money('0') }} as credits_total,
        {{ money('0') }} as billed_cost,
        case
            when recorded.load_number = last_loads.load_number then recorded.billed_cost
            else {{ money('0') }}
        end as previous_billed_cost
    from recorded
    left join last_loads on recorded.usage_date = last_loads.usage_date

),

sums as (

    select
        usage_date,
        billing_account_id,
        currency,
        cast(sum(charge_rows) as bigint) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost,
        {{ money('sum(previous_billed_cost)') }} as previous_billed_cost
    from bills
    group by usage_date, billing_account_id, currency

),

ledger as (

    select
        -- keys
        '{{ run_id() }}' as pipeline_logging_id,
        sums.usage_date,
        sums.billing_account_id,
        sums.currency,

        -- measures
        coalesce(last_loads.load_number, 0) + 1 as load_number,
        sums.charge_rows,
        sums.gross_cost,
        sums.credits_total,
        sums.billed_cost,
        case
            when last_loads.load_number is not null then sums.previous_billed_cost
        end as previous_billed_cost,
        {{ money('sums.billed_cost - sums.previous_billed_cost') }} as change_billed_cost,

        -- time
        {{ now_utc() }} as recorded_at,
        last_loads.recorded_at as previous_recorded_at

    from sums
    left join last_loads on sums.usage_date = last_loads.usage_date

)

select * from ledger
