{#
    The four kinds of label of a charge: the array that holds each, and what names an element's
    key. Kinds share key names, and tags of two namespaces do, too: they are kept apart.
#}
{% macro label_kinds() -%}
    {{ return({
        'label': {'array': 'labels', 'name': 'item.key'},
        'system_label': {'array': 'system_labels', 'name': 'item.key'},
        'project_label': {'array': 'project_labels', 'name': 'item.key'},
        'tag': {'array': 'tags', 'name': "coalesce(item.namespace || '/', '') || item.key"},
    }) }}
{%- endmacro %}
