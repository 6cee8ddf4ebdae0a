{#
    The exports still have every optional column that an earlier call has seen in them: one that
    is gone is a typed null from now on, in labels or prices that somebody reads. Fails once for
    each that is gone, by name (remember_export_columns keeps that it was told), and again should
    it come back and go. It takes what is there from between the comments. A required column that is gone stops the call; see export_faults.
#}
{% test has_lost_no_columns(model) %}

select
    remembered.export_ref,
    remembered.column_name,
    cast(null as {{ engine_type('text') }}) as column_type
from (
    {{ remembered_columns(ref('x_meta_export_columns')) }}
) as remembered
inner join {{ ref('x_meta_exports') }} as exports on remembered.export_ref = exports.export_ref
left join (
    /* optional columns: */
    {{ export_columns_as_rows('optional', ref('x_meta_exports')) }}
    /* :optional columns */
) as found
    on
        remembered.export_ref = found.export_ref
        and remembered.column_name = found.column_name
where
    found.column_name is null
    and remembered.seen_at is not null
    and (remembered.lost_at is null or remembered.lost_at < remembered.seen_at)

{% endtest %}
