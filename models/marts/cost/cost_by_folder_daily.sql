{#
    One row per usage date, billing account, folder, project and currency: what each folder and
    project cost. A charge counts once, in the folder that its project is in; a folder above it
    is found in `folder_path`, so that no level counts another's cost. A project that was moved
    during a day has a row for each of its folders.
#}
with charges as (

    select
        *,
        {{ folder_path('project_ancestors') }} as ancestor_names,
        {{ folder_path('project_ancestors', 'resource_name') }} as ancestor_ids
    from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

placed_charges as (

    select
        *,
        coalesce({{ last_folder('ancestor_ids') }}, '(no folder)') as folder_id
    from charges

),

folders as (

    select
        -- keys
        usage_date,
        billing_account_id,
        folder_id,
        project_id,
        currency,

        -- attributes
        coalesce(max(ancestor_names), '(no folder)') as folder_path,
        max(project_name) as project_name,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost

    from placed_charges
    group by usage_date, billing_account_id, folder_id, project_id, currency

)

select * from folders
