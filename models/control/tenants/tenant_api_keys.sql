{#
    One row per API key of a tenant, central copy: the hash, never the key.
#}
{{ declared_rows() }}
