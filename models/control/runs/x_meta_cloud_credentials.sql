{#
    One row per credential of the tenant: a reference to where the secret is, never the secret.
#}
{{ declared_rows() }}
