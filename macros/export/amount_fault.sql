{# Stops a statement with the column of an export whose float is no amount: NaN, infinity, 1e29 and more. #}
{% macro amount_fault(export, path, value) -%}
    error(concat(
        {{ quote_text('The export ' ~ export.ref ~ ' has the column ' ~ path ~ ' as ') }},
        cast({{ value }} as varchar),
        {{ quote_text(', which is outside the range of NUMERIC.') }}
    ))
{%- endmacro %}
