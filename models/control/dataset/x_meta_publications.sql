{#
    One row per table, usage date and publication: which run published it, how many rows and what
    net. Written by publish_dates in the transaction that replaced the rows.
#}
{{ declared_rows() }}
