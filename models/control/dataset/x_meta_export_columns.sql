{#
    One row per column of an export that Google had not documented when export_columns was
    written, and run that told it. What stands here was told, and is not told again.
#}
{{ declared_rows() }}
