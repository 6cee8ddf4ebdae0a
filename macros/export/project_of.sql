{# The project id of an opened export's rows; null where it is blank, too. A landing's are so already. #}
{% macro project_of(export) -%}
    {%- set project = export_field(export, 'project.id') -%}
    {{ project if export.form == 'landed' else "case when trim(" ~ project ~ ") <> '' then " ~ project ~ " end" }}
{%- endmacro %}
