"""Statements that ask which dates moved."""

_RUNS_TO_LOOK_AT = """
    select
        1 as one_row, tenant_id, pipeline_logging_id, pipeline_id, status, worker_instance,
        run_date, to_date, end_time, start_time, lease_expires_at
    from `{tenant}.x_meta_pipeline_runs`
    where status <> 'REFUSED'
"""

_LANDED_RUNS = _RUNS_TO_LOOK_AT.replace("{tenant}", "{dataset}")

_BESIDE_THE_MARK = """
) as runs on base.one_row = runs.one_row
left join (
    select 1 as one_row, newest_partition, exports, looked_at
    from `{tenant}.x_meta_catch_ups`
    where pipeline_id = @pipeline_id and is_complete
    order by looked_at desc
    limit 1
) as marks on base.one_row = marks.one_row
order by runs.start_time desc
"""

# All that a catch-up must know before it looks, in one query: runs, newest first, and beside each
# the mark of the last complete catch-up. One row at least.
BEFORE_A_LOOK = f"""
select runs.*, marks.newest_partition, marks.exports, marks.looked_at
from (select 1 as one_row) as base
left join (
{_RUNS_TO_LOOK_AT}
{_BESIDE_THE_MARK}
"""

# The same with the completed runs of the landing that the tenant reads, and when it last looked.
BEFORE_A_LOOK_AT_A_LANDING = f"""
select
    runs.*, marks.newest_partition, marks.exports, marks.looked_at, landing.landing_looked_at
from (select 1 as one_row) as base
cross join (
    select max(looked_at) as landing_looked_at from `{{dataset}}.x_meta_catch_ups`
) as landing
left join (
{_RUNS_TO_LOOK_AT}
    union all
{_LANDED_RUNS}
        and status = 'COMPLETED' and pipeline_id = @landing_pipeline_id
{_BESIDE_THE_MARK}
"""

ADD_CATCH_UP = """
insert into `{tenant}.x_meta_catch_ups` (
    catch_up_id, tenant_id, pipeline_id, trigger_by, looked_at, ended_at, partitions_from,
    newest_partition, exports, moved_dates, moved_ranges, run_ids, is_complete
)
values (
    @catch_up_id, @tenant_id, @pipeline_id, @trigger_by, @looked_at, @ended_at,
    @partitions_from, @newest_partition, @exports, @moved_dates,
    @moved_ranges, @run_ids, @is_complete
)
"""

EXPORTED_ROWS = """
select
    cast(usage_start_time as date) as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.stg_gcp_billing__export
where (
    (export_partition_time >= @since and export_partition_time < @before)
    or export_partition_time is null
)
    and usage_start_time >= @first_moment and usage_start_time < @end_moment
group by usage_date, export_ref, partition_date
"""

LOADED_ROWS = """
select
    ingestion_date as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.billing_cost_daily
where ingestion_date between @first_date and @last_date
group by usage_date, export_ref, partition_date
"""

# -- The same two of a landing. The cast is one that BigQuery prunes by.

LANDED_ROWS = """
select
    cast(usage_start_time as date) as usage_date,
    export_ref,
    cast(export_partition_time as date) as partition_date,
    count(*) as charge_rows,
    max(export_time) as newest_export_time
from `{tenant}`.export_landing
where cast(usage_start_time as date) between @first_date and @last_date
group by usage_date, export_ref, partition_date
"""
