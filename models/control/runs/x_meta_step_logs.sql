{#
    One row per step of a run: the claim, each dbt node, the alert.
#}
{{ declared_rows() }}
