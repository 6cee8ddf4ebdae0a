{#
    Those of a tenant's opened exports that it reads itself. Whether a landing's export is still written, and
    has its columns, is tested once, by the landing's own run, and not by each tenant of it.
#}
{% macro own_exports(exports) -%}
    {{ return(exports | rejectattr('kind', 'equalto', 'landing') | list) }}
{%- endmacro %}
