{#
    Stops a dated table whose own post-hooks change rows: they run after the proof, so what they write
    would be published without one.
#}
{% macro refuse_other_hooks() -%}
    {%- for hook in model.config['post-hook'] -%}
        {%- if modules.re.search('\\b(insert|update|delete|merge|truncate)\\b', hook.sql | lower) -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ " has a post-hook that changes rows after their proof: put it into the"
                ~ " model's SQL. The hook is: " ~ hook.sql
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}
