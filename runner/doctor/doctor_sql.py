"""Statements of the checks."""

NOW = "select current_timestamp as now_at"

# -- Only for BigQuery; the two of bytes are dry runs.

# A project can set another time zone than UTC (`default_time_zone`).
TIME_ZONE = "select @@time_zone as time_zone"

EXPORT_BYTES = """
select sum(cost) as cost
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since or export_partition_time is null
"""

# As operators filter by date: BigQuery must accept it as a partition filter.
BILL_BYTES = """
select sum(cost) as cost from `{tenant}`.billing_cost_daily where date(ingestion_date) = @day
"""

MAY_WRITE = """
insert into `{tenant}.x_meta_lock` (lock_name)
select lock_name from `{tenant}.x_meta_lock` where false
"""

# The days between the partition of a row and the times in the row.
PARTITION_LABELS = """
select
    count(*) as charge_rows,
    min(date_diff(date(export_partition_time, 'UTC'), date(export_time, 'UTC'), day)) as least_lag,
    max(date_diff(date(export_partition_time, 'UTC'), date(export_time, 'UTC'), day)) as most_lag,
    countif(
        date(export_partition_time, 'UTC') < date_sub(date(usage_start_time, 'UTC'), interval 1 day)
    ) as unread_rows
from `{tenant}`.stg_gcp_billing__export
where export_partition_time >= @since
"""

# The largest lag that a catch-up has found: it determines the margin.
LAG = "select max(partition_lag_days) as lag_days from `{tenant}.x_meta_catch_ups`"

REFUSED_JOBS = """
select
    count(*) as jobs,
    countif(error_result.reason in ('quotaExceeded', 'rateLimitExceeded', 'jobRateLimitExceeded'))
        as refused,
    countif(
        error_result.reason = 'resourcesExceeded'
        or error_result.message like '%Resources exceeded during query execution%'
    ) as too_large,
    countif(
        starts_with(job_id, 'runner-') and error_result.message like '%due to concurrent update%'
    ) as repeated,
    countif(
        not starts_with(job_id, 'runner-')
        and error_result.message like '%due to concurrent update%'
    ) as conflicts
from `{dataset}`.INFORMATION_SCHEMA.JOBS_BY_USER
where creation_time >= @since and parent_job_id is null
"""
