{#
    One row per dbt test and call, and one per model and call that sums its tests up, as the
    predecessor's users know it; written by the on-run-end hook, under the runner and under bare
    dbt alike.
#}
{{ declared_rows() }}
