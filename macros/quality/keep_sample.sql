{#
    Puts sample rows beside a result of this call. On BigQuery two updates of one table may conflict,
    such as those of two runs of a tenant at once; what still does after BigQuery's own retries
    is given up there: a sample may be lost, a call may not.
#}
{% macro keep_sample(dq_results, result_id, sample) -%}
    {%- set update -%}
        update {{ dq_results }} set sample_rows = {{ quote_text(sample) }}
        where dq_result_id = {{ quote_text(result_id) }}
    {%- endset -%}
    {%- do run_query(adapter.dispatch('unless_it_conflicts')(update)) -%}
{%- endmacro %}

{% macro duckdb__unless_it_conflicts(update) -%}
    {{ update }}
{%- endmacro %}

{% macro bigquery__unless_it_conflicts(update) -%}
    begin
        {{ update }};
    exception when error then
        select @@error.message as sample_not_kept;
    end
{%- endmacro %}
