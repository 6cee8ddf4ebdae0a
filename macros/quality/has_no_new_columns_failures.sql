{#
    Columns of the exports that Google had not documented when export_columns was written, each until a
    call has reported it: remember_export_columns reads them from between the comments and keeps them.
#}
{% macro has_no_new_columns_failures(name, exports) -%}
    {%- if execute and not own_exports(exports) -%}
        {{ return(no_failures(name)) }}
    {%- endif -%}
    select
        {{ one_failure(name, ['export_ref', 'column_name', 'column_type']) }}
    from (
        /* new columns: */
        select found.*
        from (
            {{ export_columns_as_rows('new', exports) }}
        ) as found
        left join (
            {{ remembered_columns(ref('x_meta_export_columns')) }}
        ) as remembered
            on
                found.export_ref = remembered.export_ref
                and found.column_name = remembered.column_name
        where remembered.reported_at is null
        /* :new columns */
    ) as new_columns
{%- endmacro %}
