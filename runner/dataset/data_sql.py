"""Statements over a tenant's bill."""

from runner.dataset.publications_sql import LAYERS

# The tenant's own copy of its exports.
OWN_EXPORTS = """
select export_ref, billing_account_ids, project_ids, has_unallocated
from `{tenant}`.x_meta_exports
where tenant_id = @tenant_id
order by export_ref
"""

# BigQuery reads the partitions since @since, such as a week, and rows without a partition time.
NEWEST_EXPORT = """
select max(export_time) as newest
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since or export_partition_time is null
"""

# A dry run on BigQuery: fails when the account may not read the export.
PROBE_EXPORT = "select 1 as readable from `{table}` where false"

COLUMNS_DUCKDB = """
select lower(table_name) as table_name, lower(column_name) as column_name
from information_schema.columns
where table_schema = @dataset
"""

NEWEST_DEPLOYMENT = """
select project_hash
from `{tenant}`.x_meta_deployments
order by deployed_at desc, project_hash desc
limit 1
"""

# With the oldest publication of each date, among this table and the tables that it is made from.
COSTS = f"""
select costs.*, published.pipeline_logging_id, published.published_at, published.layers_agree
from (
    select
        usage_date, service_id, max(service_description) as service_description, currency,
        sum(charge_rows) as charge_rows, sum(gross_cost) as gross_cost,
        sum(credits_total) as credits_total, sum(billed_cost) as billed_cost
    from `{{tenant}}`.cost_by_service_daily
    where usage_date between @from_date and @to_date
    group by usage_date, service_id, currency
) as costs
left join (
    select usage_date, pipeline_logging_id, published_at, newer_runs = 0 as layers_agree
    from (
        select
            usage_date, pipeline_logging_id, published_at,
            row_number() over (
                partition by usage_date order by published_at, target_table
            ) as place,
            count(newer_run) over (partition by usage_date) as newer_runs
        from ({LAYERS}) as layers
        where target_table in ('billing_cost_daily', 'gcp_silver_cost', 'cost_by_service_daily')
    ) as placed
    where place = 1
) as published
    on costs.usage_date = published.usage_date
order by costs.usage_date, costs.currency, costs.service_id
"""

TOTALS = """
select
    currency, count(*) as charge_rows, sum(cost) as cost, sum(credits_total) as credits,
    sum(cost) + sum(credits_total) as net
from `{tenant}`.billing_cost_daily
where ingestion_date between @from_date and @to_date
group by currency
order by currency
"""

# By timestamps, by which BigQuery prunes the landing.
LANDED_TOTALS = TOTALS.replace("billing_cost_daily", "export_landing").replace(
    "ingestion_date between @from_date and @to_date",
    "usage_start_time >= @from_time and usage_start_time < @before_time",
)

# All columns, so that a warehouse without service_account can still be repaired.
PROFILE = "select * from `tenants.tenant_profiles` where tenant_id = @tenant_id"
