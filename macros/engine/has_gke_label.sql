{#
    True for a charge that a label ties to Kubernetes: the keys that GKE and its cost allocation
    set, whatever follows their prefix (cluster, node pool, namespace, workload, pod labels).
#}
{% macro has_gke_label() -%}
    {{ adapter.dispatch('has_gke_label')('^(goog-k8s-|k8s-|goog-gke-)') }}
{%- endmacro %}

{% macro duckdb__has_gke_label(prefix) -%}
    coalesce(len(list_filter(labels, lambda item: regexp_matches(item.key, '{{ prefix }}'))) > 0, false)
{%- endmacro %}

{% macro bigquery__has_gke_label(prefix) -%}
    exists(select 1 from unnest(labels) as item where regexp_contains(item.key, '{{ prefix }}'))
{%- endmacro %}
