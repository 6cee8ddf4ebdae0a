{#
    One row: what onboarding updates first, so that of two tenants that are added at once the
    second sees the exports of the first.
#}
{{ declared_rows() }}
