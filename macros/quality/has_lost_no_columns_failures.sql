{#
    Optional columns that an earlier call has seen in the exports and that are missing now: each is a
    typed null from now on, such as in labels or prices. Each is reported once, and again if it comes
    back and disappears; remember_export_columns reads what it keeps from between the comments. A
    required column that is missing stops the call; see export_faults.
#}
{% macro has_lost_no_columns_failures(name, exports) -%}
    {%- if execute and not own_exports(exports) -%}
        {{ return(no_failures(name)) }}
    {%- endif -%}
    {%- set refs = [] -%}
    {%- for export in exports -%}
        {%- do refs.append(quote_text(export.ref)) -%}
    {%- endfor -%}
    select
        {{ one_failure(name, ['export_ref', 'column_name']) }}
    from (
        /* lost columns: */
        select
            remembered.export_ref,
            remembered.column_name,
            cast(null as {{ engine_type('text') }}) as column_type
        from (
            {{ remembered_columns(ref('x_meta_export_columns')) }}
        ) as remembered
        left join (
            /* optional columns: */
            {{ export_columns_as_rows('optional', exports) }}
            /* :optional columns */
        ) as found
            on
                remembered.export_ref = found.export_ref
                and remembered.column_name = found.column_name
        where
            found.column_name is null
            and remembered.export_ref in ({{ refs | join(', ') or quote_text('') }})
            and remembered.seen_at is not null
            and (remembered.lost_at is null or remembered.lost_at < remembered.seen_at)
        /* :lost columns */
    ) as lost_columns
{%- endmacro %}
