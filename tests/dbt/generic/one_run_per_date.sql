{#
    Each date was written by exactly one run. Two runs in one date mean that a slice was
    appended to, not replaced: the way the predecessor doubled bills.
#}
{% test one_run_per_date(model, date_column) %}

select
    {{ date_column }},
    count(distinct pipeline_logging_id) as runs,
    count(*) as charge_rows
from {{ model }}
group by {{ date_column }}
having count(distinct pipeline_logging_id) <> 1

{% endtest %}
