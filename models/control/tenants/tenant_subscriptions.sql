{#
    One row per tenant: its plan and the limits that the claim enforces.
#}
{{ declared_rows() }}
