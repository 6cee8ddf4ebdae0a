{# An invoice month is written YYYYMM. Fails for each row in which it is written otherwise. #}
{% test invoice_month(model, column_name) %}

select *
from {{ model }}
where
    length({{ column_name }}) <> 6
    or substr({{ column_name }}, 1, 2) <> '20'
    or substr({{ column_name }}, 3, 1) not in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    or substr({{ column_name }}, 4, 1) not in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    or substr({{ column_name }}, 5, 2) not in (
        '01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12'
    )

{% endtest %}
