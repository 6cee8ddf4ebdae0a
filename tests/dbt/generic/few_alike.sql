{#
    Of a date's rows no more than a share is alike in all of the columns that name and price a
    charge. Google does write twins, so some are expected; a date that was doubled shows here,
    whoever doubled it. Fails for each date with more.
#}
{% test few_alike(model, date_column, columns, share) %}

with alike as (

    select
        {{ date_column }},
        count(*) as rows_alike
    from {{ model }}
    group by {{ date_column }}, {{ columns | join(', ') }}

)

select
    {{ date_column }},
    sum(rows_alike) as rows_found,
    sum(rows_alike - 1) as repeated_rows
from alike
group by {{ date_column }}
having sum(rows_alike - 1) > {{ share }} * sum(rows_alike)

{% endtest %}
