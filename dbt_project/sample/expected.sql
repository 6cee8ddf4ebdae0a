/*
    One row per billing account and usage date (UTC) of a sample export: what any correct load
    must add up to. An oracle, so it shares nothing with the generator or the models, and rounds
    each amount to NUMERIC before it sums. It reads the file in the variable `path`.
*/
with charges as (

    select
        billing_account_id,
        currency,
        cast(usage_start_time at time zone 'UTC' as date) as usage_date,
        cast(cost as decimal(38, 9)) as cost,
        coalesce(
            list_sum(
                list_transform(credits, lambda credit: cast(credit.amount as decimal(38, 9)))
            ),
            0
        ) as credits,
    from read_parquet(getvariable('path'))

),

account_days as (

    select
        billing_account_id,
        usage_date,
        any_value(currency) as currency,
        count(*) as rows,
        sum(cost) as cost,
        sum(credits) as credits,
        sum(cost) + sum(credits) as net,
    from charges
    group by billing_account_id, usage_date

)

select * from account_days
order by billing_account_id, usage_date
