"""Statements over what runs published, and over data-quality results."""

# A run's data-quality results, failed ones first.
DQ_RESULTS = """
select
    target_table, severity, overall_status, expectations_passed, expectations_failed, failed_rows,
    failed_expectations, error_message, executed_at
from (
    select
        *,
        row_number() over (
            partition by target_table, severity order by executed_at desc
        ) as age
    from `{tenant}`.x_meta_dq_results
    where pipeline_logging_id = @run_id
) as results
where age = 1
order by
    case overall_status when 'FAIL' then 0 when 'WARNING' then 1 when 'SKIPPED' then 2 else 3 end,
    target_table, severity
"""

_PUBLICATION = """
    pipeline_logging_id, target_table, usage_date, row_count, net, expectations_passed,
    read_tables, published_at
"""

# The current publications of the dates: the latest one of each table and date.
PUBLICATIONS = f"""
select {_PUBLICATION}
from (
    select
        {_PUBLICATION},
        row_number() over (
            partition by target_table, usage_date order by published_at desc
        ) as age
    from `{{tenant}}`.x_meta_publications
    where usage_date between @from_date and @to_date
) as published
where age = 1
"""

PUBLICATIONS_OF_RUN = PUBLICATIONS.replace(
    "    where ", "    where pipeline_logging_id = @run_id and "
)

# Current publications, with newer ones of the tables that they read: there the layers disagree.
LAYERS = f"""
select
    latest.usage_date, latest.target_table, latest.pipeline_logging_id, latest.published_at,
    newer.pipeline_logging_id as newer_run
from ({PUBLICATIONS}) as latest
left join ({PUBLICATIONS}) as newer
    on latest.usage_date = newer.usage_date and latest.published_at < newer.published_at
    and strpos(latest.read_tables, concat('"', newer.target_table, '"')) > 0
"""

# The disagreeing publications, and all dates that the table @bill has published.
DISAGREEING = f"""
select distinct usage_date, target_table, newer_run
from ({LAYERS}) as layers
where newer_run is not null or target_table = @bill
order by usage_date, target_table
"""

# For each table, the dates that other tables have published and this one has not.
NOT_BUILT = """
select tables.target_table, dates.usage_date
from (select distinct target_table from `{tenant}`.x_meta_publications) as tables
cross join (select distinct usage_date from `{tenant}`.x_meta_publications) as dates
left join `{tenant}`.x_meta_publications as published
    on published.target_table = tables.target_table and published.usage_date = dates.usage_date
where published.usage_date is null
order by tables.target_table, dates.usage_date
"""
