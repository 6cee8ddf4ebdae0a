{#
    One row per column of an export and run that told it as new or lost, or saw it among the
    optional ones. What stands here was told, and is not told again.
#}
{{ declared_rows() }}
