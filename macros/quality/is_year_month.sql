{# True for a text that is a month as Google writes invoice months, YYYYMM, or null. #}
{% macro is_year_month(column) -%}
    (
        {{ column }} is null
        or (
            length({{ column }}) = 6
            and substr({{ column }}, 1, 2) = '20'
            and substr({{ column }}, 3, 1) in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
            and substr({{ column }}, 4, 1) in ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
            and substr({{ column }}, 5, 2) in (
                '01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12'
            )
        )
    )
{%- endmacro %}
