{#
    A column has one of the known values, or is null. Fails for each row that has another,
    so that the count is of rows and the samples show them (dbt's accepted_values counts
    values).
#}
{% test is_one_of(model, column_name, values) %}

select *
from {{ model }}
where {{ column_name }} not in ({% for value in values %}{{ quote_text(value) }}{{ ', ' if not loop.last }}{% endfor %})

{% endtest %}
