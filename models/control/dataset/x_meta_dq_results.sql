{#
    One row per dbt test and call, written by the on-run-end hook, under the runner and under
    bare dbt alike.
#}
{{ declared_rows() }}
