{#
    A query for the billing accounts of which several opened exports have usage of one date:
    account, first and last such date, two of the exports. Only rows that are the tenant's, and
    on BigQuery only the partitions of the last week, so that it does not scan years.
#}
{% macro accounts_in_two_exports(exports) -%}
    select
        billing_account_id,
        cast(min(usage_date) as {{ engine_type('text') }}) as first_date,
        cast(max(usage_date) as {{ engine_type('text') }}) as last_date,
        min(one_export) as one_export,
        max(another_export) as another_export
    from (
        select
            billing_account_id,
            usage_date,
            min(export_ref) as one_export,
            max(export_ref) as another_export
        from (
            {%- for export in exports %}
            select
                {{ export_field(export, 'billing_account_id') }} as billing_account_id,
                {{ utc_date(export_field(export, 'usage_start_time', 'timestamp')) }} as usage_date,
                {{ quote_text(export.ref) }} as export_ref
            from {{ export.relation }}
            where {{ of_tenant(export) }} and {{ exported_lately() }}
            group by billing_account_id, usage_date
            {{ 'union all' if not loop.last }}
            {%- endfor %}
        ) as held
        group by billing_account_id, usage_date
        having count(distinct export_ref) > 1
    ) as held_twice
    group by billing_account_id
    order by billing_account_id
{%- endmacro %}
