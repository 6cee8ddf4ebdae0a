{# The findings that a refused publication put into its error; none for any other error. #}
{% macro findings_of_error(message) -%}
    {%- set found = modules.re.search('<findings>(.*)</findings>', message or '', modules.re.DOTALL) -%}
    {{ return(fromjson(found.group(1)) if found else none) }}
{%- endmacro %}
