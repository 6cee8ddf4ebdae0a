{#
    One row per table, usage date and publication: which run published it, how many rows and what
    net. Written by publish_dates in the transaction that replaced the rows.
#}
{{ config(
    partition_by={'field': 'usage_date', 'data_type': 'date'} if target.type == 'bigquery' else none,
    cluster_by=['target_table'] if target.type == 'bigquery' else none
) }}
{{ declared_rows() }}
