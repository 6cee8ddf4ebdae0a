{#
    The columns together name a row: a model's grain. Nulls count as equal, for a null in a
    key groups like any other value.
#}
{% test unique_together(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as duplicate_rows
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
