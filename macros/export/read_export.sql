{#
    One export, opened: how SQL reads it and what columns it has.

    Returns {ref, relation, form, fields, has_partitions}: `relation` stands after FROM; `form` is 'typed' for
    tables and Parquet, whose records are structs, or 'text' for NDJSON and CSV, whose records
    are JSON text, or 'landed' for a landing (see read_landing); `fields` maps every field's dotted path to its type, for text the names of
    the columns alone; `has_partitions` is false for a BigQuery table that is not partitioned by
    day of ingestion, as Google's exports are. Raises what the engine raises when the export cannot be opened.
#}
{% macro read_export(ref) -%}
    {%- if ref.startswith('tenant:') -%}
        {{ return(read_landing(ref)) }}
    {%- endif -%}
    {{ return(adapter.dispatch('read_export')(ref)) }}
{%- endmacro %}

{% macro duckdb__read_export(ref) -%}
    {%- set path = quote_text(ref) -%}
    {%- if modules.re.search('[.]parquet$', ref) -%}
        {%- set form = 'typed' -%}
        {%- set relation = 'read_parquet(' ~ path ~ ', union_by_name = true)' -%}
        {%- set sniffed = relation -%}
    {%- elif modules.re.search('[.](ndjson|jsonl|json)([.]gz)?$', ref) -%}
        {#- BigQuery leaves null fields out of JSON: every known column is asked for by name -#}
        {%- set form = 'text' -%}
        {%- set names = export_columns().known + [export_columns().partition_time] -%}
        {%- set relation -%}
            read_json({{ path }}, format = 'newline_delimited', columns = {
            {%- for name in names %}{{ name }}: 'varchar'{{ ', ' if not loop.last }}{% endfor -%}
            })
        {%- endset -%}
        {%- set sniffed = 'read_json(' ~ path ~ ", format = 'newline_delimited', union_by_name = true)" -%}
    {%- elif modules.re.search('[.]csv([.]gz)?$', ref) -%}
        {%- set form = 'text' -%}
        {%- set relation = 'read_csv(' ~ path ~ ', header = true, all_varchar = true, union_by_name = true)' -%}
        {%- set sniffed = relation -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error(
            "The export '" ~ ref ~ "' is of no known kind: on this target an export is a file or"
            ~ " glob that ends in .parquet, .ndjson, .jsonl, .json or .csv (the text ones may end in .gz)."
        ) -%}
    {%- endif -%}
    {%- set fields = {} -%}
    {%- for row in run_query('describe select * from ' ~ sniffed).rows -%}
        {%- do fields.update({row[0]: row[1]}) -%}
        {%- if form == 'typed' -%}
            {%- do fields.update(fields_of_type(row[0], row[1])) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        'ref': ref, 'relation': relation, 'form': form, 'fields': fields, 'has_partitions': true,
    }) }}
{%- endmacro %}

{% macro bigquery__read_export(ref) -%}
    {%- set parts = ref.split('.') -%}
    {%- if parts | length != 3 -%}
        {%- do exceptions.raise_compiler_error(
            "The export '" ~ ref ~ "' is no BigQuery table: write project.dataset.table."
        ) -%}
    {%- endif -%}
    {%- set table = api.Relation.create(database=parts[0], schema=parts[1], identifier=parts[2]) -%}
    {%- set found = adapter.get_bq_table(table) -%}
    {%- if found is none -%}
        {%- do exceptions.raise_compiler_error("The export " ~ ref ~ " was not found.") -%}
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
        'ref': ref, 'relation': table.render(), 'form': 'typed', 'fields': fields,
        'has_partitions': has_partitions,
    }) }}
{%- endmacro %}
