{# Whether two names of BigQuery's stand for one type: bigint and INT64, array<string> and ARRAY< STRING >. #}
{% macro is_same_type(one, other) -%}
    {%- set plain = [] -%}
    {%- for name in (one, other) -%}
        {%- set text = modules.re.sub('\\b(bigint|integer|int)\\b', 'int64', name | lower | replace('`', '')) -%}
        {%- set text = modules.re.sub('\\bboolean\\b', 'bool', text) -%}
        {%- set text = modules.re.sub('\\bdecimal\\b', 'numeric', text) -%}
        {%- set text = modules.re.sub('\\bfloat\\b', 'float64', text) -%}
        {%- do plain.append(modules.re.sub('\\s*([<>,()])\\s*', '\\1', text) | trim) -%}
    {%- endfor -%}
    {{ return(plain[0] == plain[1]) }}
{%- endmacro %}
