{#
    A query for the costs of services by loaded day: one row per usage date, billing account, project,
    service and currency of `costs` (cost_by_service_daily), with 0 for a day of `loaded`
    (usage_calendar) without charges, from 28 days before a service's first charge to 28 after its last.
    settled_cost is null for a day that is not settled.
#}
{% macro service_days(costs, loaded) -%}
    with services as (

        select
            billing_account_id,
            project_id,
            service_id,
            currency,
            max(project_name) as project_name,
            max(service_description) as service_description,
            min(usage_date) as first_date,
            max(usage_date) as last_date
        from {{ costs }}
        group by billing_account_id, project_id, service_id, currency

    ),

    costs_and_zeros as (

        select
            usage_date,
            billing_account_id,
            project_id,
            service_id,
            currency,
            project_name,
            service_description,
            charge_rows,
            billed_cost
        from {{ costs }}

        union all

        select
            loaded.usage_date,
            services.billing_account_id,
            services.project_id,
            services.service_id,
            services.currency,
            services.project_name,
            services.service_description,
            0 as charge_rows,
            {{ money('0') }} as billed_cost
        from services
        inner join {{ loaded }} as loaded
            on {{ day_number('loaded.usage_date') }}
                between {{ day_number('services.first_date') }} - 28
                and {{ day_number('services.last_date') }} + 28

    ),

    daily as (

        select
            usage_date,
            billing_account_id,
            project_id,
            service_id,
            currency,
            max(project_name) as project_name,
            max(service_description) as service_description,
            cast(sum(charge_rows) as bigint) as charge_rows,
            {{ money('sum(billed_cost)') }} as billed_cost
        from costs_and_zeros
        group by usage_date, billing_account_id, project_id, service_id, currency

    )

    select
        daily.*,
        loaded.day_number,
        loaded.day_of_week,
        loaded.is_settled,
        case when loaded.is_settled then daily.billed_cost end as settled_cost
    from daily
    inner join {{ loaded }} as loaded on daily.usage_date = loaded.usage_date
{%- endmacro %}
