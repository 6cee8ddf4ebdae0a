{# The findings in the error of a table that was not published; none for any other error. #}
{% macro findings_of_error(message) -%}
    {%- set found = modules.re.search('<findings>(.*)</findings>', message or '', modules.re.DOTALL) -%}
    {%- if not found and 'not published <findings>' in (message or '') -%}
        {{ return([{'expectation': 'proof', 'failing_rows': none, 'samples': []}]) }}
    {%- endif -%}
    {{ return(fromjson(found.group(1)) if found else none) }}
{%- endmacro %}
