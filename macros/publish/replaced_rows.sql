{#
    The first two steps of a publication, on both engines: delete the rows of this call's dates,
    insert the new ones.
#}
{% macro replaced_rows(target, columns, query) -%}
    delete from {{ target }} where {{ is_replaced() }};

    insert into {{ target }} ({{ columns }})
    {{ query }};
{%- endmacro %}
