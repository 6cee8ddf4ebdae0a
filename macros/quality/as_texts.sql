{#
    (name, expression) pairs of columns of money for a JSON object: as text, so that no nano is
    lost.
#}
{% macro as_texts(columns) -%}
    {%- set pairs = [] -%}
    {%- for column in columns -%}
        {%- do pairs.append((column, 'cast(' ~ column ~ ' as ' ~ engine_type('text') ~ ')')) -%}
    {%- endfor -%}
    {{ return(pairs) }}
{%- endmacro %}
