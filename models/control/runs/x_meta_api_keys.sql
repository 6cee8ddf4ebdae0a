{#
    One row per API key of the tenant: the hash, never the key.
#}
{{ declared_rows() }}
