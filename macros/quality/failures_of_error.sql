{# The failures in the error of a table that was not published; none for any other error. #}
{% macro failures_of_error(message) -%}
    {%- set found = modules.re.search('<failures>(.*)</failures>', message or '', modules.re.DOTALL) -%}
    {%- if not found and 'not published <failures>' in (message or '') -%}
        {{ return([{'expectation': 'proof', 'failing_rows': none, 'samples': []}]) }}
    {%- endif -%}
    {{ return(fromjson(found.group(1)) if found else none) }}
{%- endmacro %}
