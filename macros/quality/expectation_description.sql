{# The sentence that describes an expectation: its own description, else one made from its kind. #}
{% macro expectation_description(expectation) -%}
    {%- if expectation.description -%}
        {{ return(expectation.description | trim) }}
    {%- elif expectation.grain -%}
        {{ return('One row per ' ~ expectation.grain | join(', ') ~ '.') }}
    {%- elif expectation.never_null -%}
        {{ return('Never null: ' ~ expectation.never_null | join(', ') ~ '.') }}
    {%- elif expectation.one_of -%}
        {{ return(
            expectation.one_of.column ~ ' is one of ' ~ expectation.one_of['values'] | join(', ') ~ '.'
        ) }}
    {%- elif expectation.one_value -%}
        {{ return(
            'One ' ~ expectation.one_value.column ~ ' per ' ~ expectation.one_value.per | join(', ') ~ '.'
        ) }}
    {%- elif expectation.sums_to -%}
        {{ return(
            (expectation.get('measures') or ['billed_cost']) | join(', ') ~ ' adds up to that of '
            ~ expectation.sums_to ~ ', to the last nano.'
        ) }}
    {%- endif -%}
    {{ return('Holds for every row: ' ~ expectation.holds ~ '.') }}
{%- endmacro %}
