{#
    BigQuery: deletes, inserts, proves and publishes the dates of this call in one transaction. Any
    error, also that of a failed proof, ends the script, and BigQuery rolls back: the old rows stay.
    INSERT and proof read the same snapshot of the export. One statement has the whole proof, for each
    is billed 10 MB at least for each table that it reads.
#}
{% macro replace_dates(target, query, columns) -%}
    {%- if is_empty_build() -%}
        {{ return('select 1 as nothing_to_replace') }}
    {%- endif -%}
    {%- set names = columns | join(', ') -%}
    {%- set findings = proof_findings() -%}
    begin
        declare findings string;
        declare inserted int64;

        begin transaction;

        {{ replaced_rows(target, names, 'select ' ~ names ~ ' from (\n' ~ query ~ '\n) as model') }}

        set inserted = @@row_count;
        set findings = (
            select
                case
                    when inserted <> (select count(*) from {{ target }} where {{ is_replaced() }})
                        then {{ quote_text(foreign_rows()) }}
                    {%- if findings is not none %}
                    else (
                        select concat('not published <findings>', found, '</findings>')
                        from ({{ findings_text(findings) }}) as proof
                    )
                    {%- endif %}
                end
        );
        if findings is not null then
            raise using message = findings;
        end if;

        {{ publications_of_call() }};

        commit transaction;
    end
{%- endmacro %}
