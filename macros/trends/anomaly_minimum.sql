{#
    The least deviation that is reported, in the row's currency: the var anomaly_minimum,
    amounts by currency code and `default` for the others.
#}
{% macro anomaly_minimum(currency) -%}
    {%- set amounts = var('anomaly_minimum', none) or {'default': 10} -%}
    {%- set by_currency = amounts.items() | rejectattr(0, 'equalto', 'default') | list -%}
    {%- if by_currency -%}
        case {{ currency }}
        {%- for code, amount in by_currency %}
            when {{ quote_text(code) }} then {{ money(quote_text(amount)) }}
        {%- endfor %}
            else {{ money(quote_text(amounts.get('default', 10))) }}
        end
    {%- else -%}
        {{ money(quote_text(amounts.get('default', 10))) }}
    {%- endif -%}
{%- endmacro %}
