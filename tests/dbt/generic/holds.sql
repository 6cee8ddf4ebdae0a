{#
    A condition holds for every row. Fails for each row for which it is false or unknown:
    a null that makes it unknown is a finding, too.
#}
{% test holds(model, condition) %}

select *
from {{ model }}
where not coalesce({{ condition }}, false)

{% endtest %}
