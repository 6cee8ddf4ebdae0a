{#
    One export, opened: how SQL reads it and what columns it has.

    Returns {ref, kind, relation, form, fields, shapes, has_partitions}: `kind` is parquet, json, csv,
    table or landing; `relation` stands after FROM; `form` is 'typed' for tables and Parquet, whose
    records are structs, or 'text' for NDJSON and CSV, whose records are JSON text, or 'landed' for a
    landing (see read_landing); `fields` maps every field's dotted path to its type, for text the names of
    the columns alone; `shapes` are the different {files, fields} among the files; `has_partitions` is
    false for a BigQuery table that is not partitioned by day of ingestion, as Google's exports are.
    Of files there is also `files_relation`: the relation with the column `x_meta_file_name`: DuckDB's own
    name for it, `filename`, may be a column of the export.
    Raises what the engine raises when the export cannot be opened.
#}
{% macro read_export(ref) -%}
    {%- if ref.startswith('tenant:') -%}
        {{ return(read_landing(ref)) }}
    {%- endif -%}
    {{ return(adapter.dispatch('read_export')(ref)) }}
{%- endmacro %}

{% macro duckdb__read_export(ref) -%}
    {%- set kinds = {'parquet': '[.]parquet$', 'json': '[.](ndjson|jsonl|json)([.]gz)?$', 'csv': '[.]csv([.]gz)?$'} -%}
    {%- set found = [] -%}
    {%- for kind, ending in kinds.items() if modules.re.search(ending, ref) -%}
        {%- do found.append(kind) -%}
    {%- endfor -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error(
            "The export '" ~ ref ~ "' has an unknown file type: on this target an export is a file or"
            ~ " glob that ends in .parquet, .ndjson, .jsonl, .json or .csv (the text ones may end in .gz)."
        ) -%}
    {%- endif -%}
    {%- set pattern = export_pattern(ref) -%}
    {%- set files = files_of_export(ref, pattern) -%}
    {%- set opened = read_parquet_export(pattern, files) if found[0] == 'parquet'
        else read_json_export(pattern, files) if found[0] == 'json'
        else read_csv_export(pattern, files) -%}
    {%- for shape in opened.shapes if found[0] != 'json' and 'x_meta_file_name' in shape.fields | map('lower') -%}
        {%- do exceptions.raise_compiler_error(
            "The export file " ~ shape.files[0] ~ " has a column x_meta_file_name, which is reserved for"
            ~ " the name of the file: rename or drop it."
        ) -%}
    {%- endfor -%}
    {%- do opened.update({'ref': ref, 'kind': found[0], 'has_partitions': true}) -%}
    {{ return(opened) }}
{%- endmacro %}

{% macro bigquery__read_export(ref) -%}
    {%- set parts = ref.split('.') -%}
    {%- if parts | length != 3 -%}
        {%- do exceptions.raise_compiler_error(
            "The export '" ~ ref ~ "' is not a BigQuery table: write project.dataset.table."
        ) -%}
    {%- endif -%}
    {%- set table = api.Relation.create(database=parts[0], schema=parts[1], identifier=parts[2]) -%}
    {%- set found = adapter.get_bq_table(table) -%}
    {%- if found is none -%}
        {%- do exceptions.raise_compiler_error("The export " ~ ref ~ " was not found: check its name.") -%}
    {%- endif -%}
    {%- set fields = {} -%}
    {%- for column in adapter.get_columns_in_relation(table) -%}
        {%- do fields.update({column.name: column.data_type}) -%}
        {%- for field in column.flatten() -%}
            {%- do fields.update({field.name: field.data_type}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set partitions = found.time_partitioning -%}
    {%- set has_partitions = true if partitions and partitions.type_ == 'DAY' and not partitions.field else false -%}
    {%- if has_partitions -%}
        {%- do fields.update({export_columns().partition_time: 'TIMESTAMP'}) -%}
    {%- endif -%}
    {{ return({
        'ref': ref, 'kind': 'table', 'relation': table.render(), 'form': 'typed', 'fields': fields,
        'shapes': [{'files': [ref], 'fields': fields}], 'has_partitions': has_partitions,
    }) }}
{%- endmacro %}
