{#
    None of the columns is ever null. Fails for each row in which one is, and names the first
    such column. One look at a table for all of them: each test is a query that BigQuery bills.
#}
{% test never_null(model, columns) %}

select
    *,
    case{% for column in columns %} when {{ column }} is null then '{{ column }}'{% endfor %} end as null_column
from {{ model }}
where {{ columns | join(' is null or ') }} is null

{% endtest %}
