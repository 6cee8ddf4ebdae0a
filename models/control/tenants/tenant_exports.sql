{#
    One row per tenant and export: which rows of which export are the tenant's. The tenant's own
    x_meta_exports is made from it.
#}
{{ declared_rows() }}
