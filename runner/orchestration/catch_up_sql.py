"""Statements that find the dates that moved."""

from runner.names import EARLIEST

_RUNS = """
    select
        1 as one_row, tenant_id, pipeline_logging_id, pipeline_id, status, worker_instance,
        run_date, to_date, end_time, start_time, lease_expires_at
    from `{tenant}.x_meta_pipeline_runs`
    where status <> 'REFUSED'
"""

_LANDED_RUNS = _RUNS.replace("{tenant}", "{dataset}")

# The state before a catch-up, in one query: runs, newest first, each with the mark of the last
# complete catch-up, the time of the last one that compared partitions as old as @wide_from, and
# the most days by which a row was exported after its partition; at least one row. Included are the
# completed runs of the landing that the tenant reads, and the time of the landing's last catch-up;
# without a landing, the tenant's own.
RUNS_AND_MARK = f"""
select
    runs.*, marks.newest_partition, marks.exports, marks.checked_at, marks.wide_checked_at,
    lags.lag_days, landing.landing_checked_at
from (select 1 as one_row) as base
cross join (
    select max(checked_at) as landing_checked_at from `{{dataset}}.x_meta_catch_ups`
) as landing
cross join (
    select max(partition_lag_days) as lag_days from `{{tenant}}.x_meta_catch_ups`
    where pipeline_id = @pipeline_id
) as lags
left join (
{_RUNS}
    union all
{_LANDED_RUNS}
        and status = 'COMPLETED' and pipeline_id = @landing_pipeline_id
) as runs on base.one_row = runs.one_row
left join (
    select
        1 as one_row, newest_partition, exports, checked_at,
        max(case
            when partitions_from is null or partitions_from <= @wide_from then checked_at
        end) over () as wide_checked_at
    from `{{tenant}}.x_meta_catch_ups`
    where pipeline_id = @pipeline_id and is_complete
    order by checked_at desc
    limit 1
) as marks on base.one_row = marks.one_row
order by runs.start_time desc
"""

ADD_CATCH_UP = """
insert into `{tenant}.x_meta_catch_ups` (
    catch_up_id, tenant_id, pipeline_id, trigger_by, checked_at, ended_at, partitions_from,
    newest_partition, partition_lag_days, exports, moved_dates, moved_ranges, run_ids, is_complete
)
values (
    @catch_up_id, @tenant_id, @pipeline_id, @trigger_by, @checked_at, @ended_at,
    @partitions_from, @newest_partition, @partition_lag_days, @exports, @moved_dates,
    @moved_ranges, @run_ids, @is_complete
)
"""

# The first usage date in these partitions, from which loaded rows are compared.
FIRST_EXPORTED_DATE = """
select min(date(usage_start_time, 'UTC')) as first_date
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since or export_partition_time is null
"""

# For each usage date: whether its exported rows in the partitions since @partitions_from differ
# from the rows that were loaded from them. Rows are counted too, since a row may become visible
# long after its export time. Rows that no run of their date reads are ignored on both sides; else
# the date would be run for ever. A date has expired where an export no longer has the partition,
# or without partitions the date, of loaded rows: another run would lose them. Each export is
# compared with its own oldest partition; an export that the tenant no longer reads, by the number
# of rows that are exported now.
# `lag_days`: by how many days a row was exported after its partition.
_MOVED = f"""
with counted as (
    select
        date(usage_start_time, 'UTC') as usage_date, export_ref, export_partition_time,
        export_time, 0 as is_loaded
    from `{{tenant}}`.stg_gcp_billing__export
    where (export_partition_time >= @since or export_partition_time is null)
        and usage_start_time >= @from_time and usage_start_time < @before_time
    union all
    select LOADED_DATE, export_ref, export_partition_time, export_time, 1
    from `{{tenant}}`.LOADED_ROWS
),
parts as (
    select
        usage_date, export_ref, date(export_partition_time, 'UTC') as partition_date,
        sum(1 - is_loaded) as exported_rows, sum(is_loaded) as loaded_rows,
        max(case when is_loaded = 0 then export_time end) as exported_at,
        max(case when is_loaded = 1 then export_time end) as loaded_at,
        max(export_time) as newest_at
    from counted
    group by usage_date, export_ref, partition_date
),
judged as (
    select
        *, date(exported_at, 'UTC') as exported_on,
        usage_date >= date '{EARLIEST}' and coalesce(
            not @prunes_exports or date_add(partition_date, interval 1 day) >= usage_date, true
        ) as is_read,
        sum(exported_rows - loaded_rows) over (partition by usage_date) as more_rows,
        min(case when exported_rows > 0 then partition_date end) over of_export as oldest_partition,
        min(case when exported_rows > 0 then usage_date end) over of_export as oldest_date,
        max(newest_at) over of_export as newest_export_time
    from parts
    window of_export as (partition by export_ref)
)
select
    usage_date,
    sum(exported_rows) as exported_rows,
    sum(case when is_read then 0 else exported_rows end) as unread_rows,
    max(case when exported_rows > 0 then partition_date end) as newest_partition,
    max(date_diff(exported_on, partition_date, day)) as lag_days,
    min(case when loaded_rows > 0 and strpos(@exports, export_ref) > 0 then newest_export_time end)
        as newest_export_time,
    countif(
        is_read and coalesce(partition_date >= @partitions_from, true)
        and (exported_rows <> loaded_rows or exported_at is distinct from loaded_at)
    ) > 0 as has_moved,
    countif(loaded_rows > 0 and case
        when oldest_date is null and coalesce(strpos(@exports, export_ref), 0) = 0
            then more_rows < 0
        when partition_date is null then coalesce(usage_date < oldest_date, true)
        else coalesce(partition_date < oldest_partition, true)
    end) > 0 as has_expired,
    countif(loaded_rows > 0 and exported_rows = 0) > 0 as lacks_rows,
    countif(loaded_rows > 0 and partition_date < @partitions_from) > 0 as has_older_rows
from judged
group by usage_date
order by usage_date
"""


def _moved(date: str, rows: str) -> str:
    return _MOVED.replace("LOADED_DATE", date).replace("LOADED_ROWS", rows)


MOVED_SINCE_LOADED = _moved(
    "ingestion_date", "billing_cost_daily where ingestion_date between @first_date and @last_date"
)

# By timestamps, by which BigQuery prunes the landing.
MOVED_SINCE_LANDED = _moved(
    "date(usage_start_time, 'UTC')",
    "export_landing where usage_start_time >= @loaded_from_time"
    " and usage_start_time < @loaded_end_time",
)

# Before the first run there is no table to compare with.
NEVER_LOADED = _moved("date(usage_start_time, 'UTC')", "stg_gcp_billing__export where false")
