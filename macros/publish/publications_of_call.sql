{#
    The statement that records which run published the dates of this call in the current model: one
    row per date, also for a date without rows. `net` in the model's meta is the expression that
    gives the net cost per currency; a table whose rows do not add up to the bill has none, and net
    is null.
#}
{% macro publications_of_call() -%}
    {%- set table = model.unique_id -%}
    {%- set net = config.get('meta', {}).get('net') -%}
    {%- set currency = config.get('meta', {}).get('currency', 'currency') -%}
    {%- set dates = slice_dates() -%}
    insert into {{ ref('x_meta_publications') }} (
        tenant_id, target_table, usage_date, pipeline_logging_id, row_count, net, read_tables,
        expectations_passed, published_at
    )
    select
        {{ quote_text(tenant_id()) }},
        {{ quote_text(this.identifier) }},
        dates.usage_date,
        {{ quote_text(run_id()) }},
        coalesce(published.row_count, 0),
        {{ "coalesce(published.net, '{}')" if net else 'cast(null as ' ~ engine_type('text') ~ ')' }},
        {{ quote_text(tojson(read_tables(table))) }},
        {{ proof_names(table) | length }},
        {{ now_utc() }}
    from (
        select usage_date
        from (select date '{{ dates[0] }}' as first_date, date '{{ dates[1] }}' as last_date) as asked
        cross join {{ each_date('first_date', 'last_date') }}
    ) as dates
    left join (
        select
            usage_date,
            cast(sum(row_count) as bigint) as row_count
            {%- if net %},
            '{' || string_agg(
                '"' || coalesce(currency, '') || '": "' || cast(net as {{ engine_type('text') }}) || '"',
                ', ' order by currency
            ) || '}' as net
            {%- endif %}
        from (
            select
                {{ date_of(table) }} as usage_date,
                count(*) as row_count
                {%- if net %},
                {{ currency }} as currency,
                {{ money('sum(' ~ money(net) ~ ')') }} as net
                {%- endif %}
            from {{ rows_on_tested_dates(this, table) }}
            group by {{ date_of(table) }}{{ ', ' ~ currency if net }}
        ) as sums
        group by usage_date
    ) as published on dates.usage_date = published.usage_date
{%- endmacro %}
