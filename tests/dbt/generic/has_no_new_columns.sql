{#
    The exports have only columns that Google had documented when export_columns was written.
    Fails for each other one that no earlier call has told: remember_new_columns keeps them, so
    that each is told once.
#}
{% test has_no_new_columns(model) %}

{%- set remembered = ref('x_meta_export_columns') %}
{%- set rows = [] %}
{%- for export in tenant_exports(ref('x_meta_exports')) %}
{%- for path, type in new_columns(export) %}
    {%- do rows.append(
        'select ' ~ quote_text(export.ref) ~ ' as export_ref, ' ~ quote_text(path)
        ~ ' as column_name, ' ~ quote_text(type) ~ ' as column_type'
    ) %}
{%- endfor %}
{%- endfor %}
{%- if rows %}
select found.*
from (
    {{ rows | join('\n    union all\n    ') }}
) as found
left join {{ remembered }} as remembered
    on
        found.export_ref = remembered.export_ref
        and found.column_name = remembered.column_name
where remembered.column_name is null
{%- else %}
select 1 as nothing_new from (select 1 as one_row) as none where one_row = 0
{%- endif %}

{% endtest %}
