{#
    Where a project stands in the resource hierarchy, as text from the organisation down to the
    project's own folder, joined by ' / '; null where the export names no ancestor. `field`:
    'display_name', or 'resource_name' for the ids. Ancestors are listed from the project up; an
    array that begins with the organisation is listed from the top. The project itself is left out.
#}
{% macro folder_path(ancestors, field='display_name') -%}
    {{ adapter.dispatch('folder_path')(ancestors, field) }}
{%- endmacro %}

{% macro duckdb__folder_path(ancestors, field) -%}
    list_aggregate(
        list_transform(
            list_filter(
                case
                    when starts_with({{ ancestors }}[1].resource_name, 'organizations/')
                        then {{ ancestors }}
                    else list_reverse({{ ancestors }})
                end,
                lambda item: regexp_matches(item.resource_name, '^(folders|organizations)/')
            ),
            lambda item: coalesce(item.{{ field }}, item.resource_name)
        ),
        'string_agg', ' / '
    )
{%- endmacro %}

{% macro bigquery__folder_path(ancestors, field) -%}
    (
        select
            string_agg(
                coalesce(item.{{ field }}, item.resource_name), ' / '
                order by
                    case
                        when starts_with({{ ancestors }}[safe_offset(0)].resource_name, 'organizations/')
                            then place
                        else -place
                    end
            )
        from unnest({{ ancestors }}) as item with offset as place
        where regexp_contains(item.resource_name, r'^(folders|organizations)/')
    )
{%- endmacro %}
