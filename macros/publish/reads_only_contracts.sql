{#
    Whether a model reads only what the project declares: tables with a contract, seeds, and views over
    such. Then its own columns change only when the project does. The view over the export is none of
    these: its types come from files.
#}
{% macro reads_only_contracts(unique_id) -%}
    {%- set unknown = [] -%}
    {%- for other in graph.nodes[unique_id].depends_on.nodes -%}
        {%- set node = graph.nodes.get(other) -%}
        {%- if node is none -%}
            {%- do unknown.append(other) -%}
        {%- elif node.config.materialized == 'view' -%}
            {%- if not is_deployed_once(node) or not reads_only_contracts(other) -%}
                {%- do unknown.append(other) -%}
            {%- endif -%}
        {%- elif node.resource_type != 'seed' and not (node.config.contract or {}).get('enforced') -%}
            {%- do unknown.append(other) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(not unknown) }}
{%- endmacro %}
