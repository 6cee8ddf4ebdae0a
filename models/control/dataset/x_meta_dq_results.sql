{#
    One row per table, level of severity and call, with the expectations that passed and failed, as
    the predecessor's users know it; written by the on-run-end hook, under the runner and under bare
    dbt alike.
#}
{{ declared_rows() }}
