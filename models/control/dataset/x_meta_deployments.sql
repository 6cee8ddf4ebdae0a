{#
    One row each time that views, seeds or control tables of the tenant's dataset were built: begun
    without a hash, and completed with that of the project. Written by hooks, so that the newest row
    shows whether the dataset has the current project.
#}
{{ declared_rows() }}
