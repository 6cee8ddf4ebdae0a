/*
    One row per billing account and usage date (UTC) of a sample export: what any correct load
    must add up to. An oracle, so it shares nothing with the generator or the models, and rounds
    each amount to NUMERIC before it sums. Set the variable `path` to the Parquet file first.
*/
with charges as (

    select
        billing_account_id,
        currency,
        cast(usage_start_time at time zone 'UTC' as date) as usage_date,
        cast(cost as decimal(38, 9)) as cost,
        coalesce(list_sum(cast(credits.amount as decimal(38, 9)[])), 0) as credits,
    from (
        select
            * replace (list_transform(credits, lambda credit: credit.amount) as credits),
        from read_parquet(getvariable('path'))
    )

)

select * from charges
