{# The query of a test between two comments that name a state of columns. #}
{% macro between_comments(code, state) -%}
    {{ return(code.split('/* ' ~ state ~ ' columns: */')[1].split('/* :' ~ state ~ ' columns */')[0]) }}
{%- endmacro %}
