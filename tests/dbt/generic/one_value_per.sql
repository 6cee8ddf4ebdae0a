{#
    Within each group a column has one value. Fails for each group in which it has several, with
    two of them: two currencies in an account, two runs in one date (it was appended to, not
    replaced: the way the predecessor doubled bills).
#}
{% test one_value_per(model, column, per) %}

select
    {{ per | join(', ') }},
    count(distinct {{ column }}) as values_found,
    min({{ column }}) as one_value,
    max({{ column }}) as another_value,
    count(*) as rows_found
from {{ model }}
group by {{ per | join(', ') }}
having count(distinct {{ column }}) > 1

{% endtest %}
