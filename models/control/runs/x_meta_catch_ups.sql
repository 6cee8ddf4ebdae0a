{#
    One row per finished catch-up: what was looked at, what had moved, whether its runs completed.
#}
{{ declared_rows() }}
