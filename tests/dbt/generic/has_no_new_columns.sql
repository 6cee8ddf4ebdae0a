{#
    The exports have only columns that Google had documented when export_columns was written.
    Fails for each other one that no earlier call has told: remember_export_columns keeps them, so
    that each is told once.
#}
{% test has_no_new_columns(model) %}

select found.*
from (
    {{ export_columns_as_rows('new', ref('x_meta_exports')) }}
) as found
left join (
    {{ remembered_columns(ref('x_meta_export_columns')) }}
) as remembered
    on
        found.export_ref = remembered.export_ref
        and found.column_name = remembered.column_name
where remembered.told_at is null

{% endtest %}
