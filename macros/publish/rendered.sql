{#
    Renders a test's arguments as dbt does: Jinja in a text is rendered, and a text that is a call
    of ref becomes the relation. Checks the complete text first: most arguments have neither.
#}
{% macro rendered(value) -%}
    {%- if not modules.re.search('[{][{%#]|"\\s*(ref|source|var|env_var)\\s*[(]', tojson(value)) -%}
        {{ return(value) }}
    {%- elif value is string -%}
        {%- if modules.re.fullmatch('\\s*(ref|source|var|env_var)\\s*\\(.+\\)\\s*', value) -%}
            {{ return(render('{' ~ '{ ' ~ value ~ ' }' ~ '}')) }}
        {%- endif -%}
        {{ return(render(value) if '{' in value else value) }}
    {%- elif value is mapping -%}
        {%- set pairs = {} -%}
        {%- for name, part in value.items() -%}
            {%- do pairs.update({name: rendered(part)}) -%}
        {%- endfor -%}
        {{ return(pairs) }}
    {%- elif value is iterable -%}
        {%- set parts = [] -%}
        {%- for part in value -%}
            {%- do parts.append(rendered(part)) -%}
        {%- endfor -%}
        {{ return(parts) }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}
