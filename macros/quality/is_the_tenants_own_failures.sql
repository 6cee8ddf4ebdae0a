{#
    Charges that are not this tenant's: x_meta_exports names neither their account nor their
    project, or they have no project and it does not allow that. The staging view filters by the
    same table; this tests the rows that were written, with SQL of its own. The lists of ids are
    JSON text, and onboarding checks the ids in them, so a quoted id is found by its text.
#}
{% macro is_the_tenants_own_failures(model, name) -%}
    {%- set keys = ['billing_account_id', 'project_id'] -%}
    select
        {{ quote_text(name) }} as expectation,
        {{ json_object(keys) }} as key,
        {{ money('cost') }} as amount,
        currency,
        charge_rows as failing_rows,
        [{{ json_object(keys + ['charge_rows'] + as_texts(['cost'])) }}] as samples
    from (
        select
            held.billing_account_id,
            held.project_id,
            held.currency,
            held.charge_rows,
            held.cost,
            max(case
                when
                    exports.billing_account_ids <> '[]'
                    and strpos(exports.billing_account_ids, held.quoted_account) = 0
                    then 0
                when exports.project_ids = '[]' then 1
                when held.project_id is null and exports.has_unallocated then 1
                when held.project_id is null then 0
                when strpos(exports.project_ids, held.quoted_project) > 0 then 1
                else 0
            end) as is_the_tenants
        from (
            select
                billing_account_id,
                project_id,
                currency,
                concat('"', billing_account_id, '"') as quoted_account,
                concat('"', project_id, '"') as quoted_project,
                count(*) as charge_rows,
                sum(cost) as cost
            from {{ model }}
            group by billing_account_id, project_id, currency
        ) as held
        cross join {{ ref('x_meta_exports') }} as exports
        group by
            held.billing_account_id, held.project_id, held.currency, held.charge_rows, held.cost
    ) as judged
    where is_the_tenants = 0
{%- endmacro %}
