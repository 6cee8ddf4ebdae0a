{#
    One row: what a claim updates first, so that two claims of one tenant conflict and one is
    retried.
#}
{{ declared_rows() }}
