{#
    A bill that was recorded after its month was closed was moved by the last run of its date:
    a restatement, legitimate but not to be overlooked. Closed is 5 days after the month's end
    (var closing_days), for until then late charges are the rule.
#}
{{ config(severity='warn') }}

with ledger as (

    select * from {{ ref('restatement_ledger') }}
    where {{ date_in_tested_slice('usage_date') }}

),

last_loads as (

    select
        usage_date,
        max(load_number) as load_number
    from ledger
    group by usage_date

)

select
    ledger.usage_date,
    ledger.billing_account_id,
    ledger.currency,
    ledger.previous_billed_cost as net_before,
    ledger.billed_cost as net_after,
    ledger.change_billed_cost as net_change,
    ledger.previous_recorded_at as previous_at
from ledger
inner join last_loads
    on
        ledger.usage_date = last_loads.usage_date
        and ledger.load_number = last_loads.load_number
where
    ledger.change_billed_cost <> 0
    and {{ day_number(utc_date('ledger.previous_recorded_at')) }}
    > {{ day_number('last_day(ledger.usage_date)') }} + {{ var('closing_days', 5) | int }}
