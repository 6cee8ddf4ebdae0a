{#
    One row per tenant: who it is and whether it may run.
#}
{{ declared_rows() }}
