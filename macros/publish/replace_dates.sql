{#
    BigQuery: deletes, inserts, proves and publishes the dates of this call in one transaction. Any
    error, also that of a failed proof, ends the script, and BigQuery rolls back: the old rows stay.
    INSERT and proof read the same snapshot of the export.
#}
{% macro replace_dates(target, query, columns) -%}
    {%- if is_empty_build() -%}
        {{ return('select 1 as nothing_to_replace') }}
    {%- endif -%}
    {%- set names = columns | join(', ') -%}
    {%- set failures = proof_failures() -%}
    begin
        declare failures string;
        declare inserted int64;

        begin transaction;

        {{ replaced_rows(target, names, 'select ' ~ names ~ ' from (\n' ~ query ~ '\n) as model') }}

        set inserted = @@row_count;
        if inserted <> (select count(*) from {{ target }} where {{ is_replaced() }}) then
            raise using message = {{ quote_text(foreign_rows()) }};
        end if;
        {%- if failures is not none %}

        set failures = (
            {{ failures_text(failures) }}
        );
        if failures is not null then
            raise using message = concat('not published <failures>', failures, '</failures>');
        end if;
        {%- endif %}

        {{ publications_of_call() }};

        commit transaction;
    end
{%- endmacro %}
