{#
    One row per column of an export and run that reported it as new or lost, or saw it among the
    optional ones. What is here was reported, and is not reported again.
#}
{{ declared_rows() }}
