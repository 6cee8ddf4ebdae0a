{# DuckDB: the number of the line of a CSV file that is its header once more. #}
{% macro second_header_line(file) -%}
    {%- set query -%}
        select min(line_number)
        from (
            select row_number() over () as line_number, line
            from read_csv(
                {{ quote_text(glob_text(file)) }}, auto_detect = false, header = false, delim = '', quote = '',
                escape = '', comment = '', strict_mode = false, ignore_errors = true, parallel = false,
                hive_partitioning = false, columns = {'line': 'varchar'}
            )
        )
        where line_number > 1 and regexp_matches(line, '(^|[",;|\t])billing_account_id($|[",;|\t])')
    {%- endset -%}
    {{ return(run_query(query).columns[0].values()[0]) }}
{%- endmacro %}
