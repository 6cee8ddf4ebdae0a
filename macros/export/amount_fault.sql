{#
    Stops a statement with the column of an export whose float is no amount: NaN, infinity, 1e29 and
    more. It does not show the value, which may be another tenant's.
#}
{% macro amount_fault(export, path) -%}
    error({{ quote_text(
        'The export ' ~ export.ref ~ ' has in the column ' ~ path ~ ' a value outside the range of NUMERIC.'
    ) }})
{%- endmacro %}
