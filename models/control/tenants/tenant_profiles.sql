{#
    One row per tenant: its profile and its status.
#}
{{ declared_rows() }}
