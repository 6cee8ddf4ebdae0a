{#
    One row per run, refused ones too. The claim counts these rows: no counter can drift.
#}
{{ declared_rows() }}
