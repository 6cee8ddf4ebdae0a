{# Lists of values in brackets as a query, also when there are none; each column has a name and a type, {name: type}. #}
{% macro values_as_rows(names, types, rows) -%}
    {{ adapter.dispatch('values_as_rows')(names, types, rows) }}
{%- endmacro %}

{# A first row of nulls has a place in VALUES even when no row has. #}
{% macro duckdb__values_as_rows(names, types, rows) -%}
    select * from (values ({{ (['null'] * names | length) | join(', ') }}){{ ', ' if rows }}{{ rows | join(', ') }})
    as seed ({{ names | join(', ') }})
    where tenant_id is not null
{%- endmacro %}

{% macro bigquery__values_as_rows(names, types, rows) -%}
    select * from unnest(
        array<struct<{% for name in names %}{{ name }} {{ types[name] }}{{ ', ' if not loop.last }}{% endfor %}>>
        [{{ rows | join(', ') }}]
    )
{%- endmacro %}
