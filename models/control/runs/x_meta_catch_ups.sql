{#
    One row per finished catch-up: what was compared, what had moved, whether its runs completed.
#}
{{ declared_rows() }}
