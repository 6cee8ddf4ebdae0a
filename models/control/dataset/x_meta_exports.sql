{#
    One row per export of the tenant: what the view stg_gcp_billing__export is made from.
    Written at onboarding; it stands in the tenant's own dataset so that bare dbt needs no more.
#}
{{ declared_rows() }}
