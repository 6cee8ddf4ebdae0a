{# The charges of gcp_silver_cost on the tested dates, to stand after FROM. #}
{% macro silver_rows_of_call() -%}
    (select * from {{ ref('gcp_silver_cost') }} where {{ date_in_tested_slice('usage_date') }})
{%- endmacro %}
