{# Sentences for the files of an opened export that have rows without a valid billing account or usage start. #}
{% macro lost_rows(export) -%}
    {%- set sentences = [] -%}
    {%- for row in run_query(rows_without_owner(export, exported_lately())).rows -%}
        {%- do sentences.append(
            "The export file " ~ row[1] ~ " has " ~ row[2] ~ (' row' if row[2] == 1 else ' rows') ~ ' without '
            ~ ("a usage start" if not row[3] else "a valid billing account" if not row[4] else "a valid billing account or a usage start")
            ~ ", which cannot be billed to any tenant."
        ) -%}
    {%- endfor -%}
    {{ return(sentences) }}
{%- endmacro %}
