{#
    One row per start, finish or refusal of a run. Appended, never changed: BigQuery refuses to
    change streamed rows.
#}
{{ declared_rows() }}
