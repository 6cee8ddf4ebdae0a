{#
    One row per service account that the tenant was given, the active one and those before: a
    reference, never a secret.
#}
{{ declared_rows() }}
