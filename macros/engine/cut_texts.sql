{# An array of texts, each cut to a length; on BigQuery its first 5. #}
{% macro cut_texts(array, length) -%}
    {{ adapter.dispatch('cut_texts')(array, length) }}
{%- endmacro %}

{% macro duckdb__cut_texts(array, length) -%}
    list_transform({{ array }}, lambda item: left(item, {{ length }}))
{%- endmacro %}

{% macro bigquery__cut_texts(array, length) -%}
    array(
        select left(item, {{ length }})
        from unnest({{ array }}) as item with offset as place
        where place < 5
        order by place
    )
{%- endmacro %}
