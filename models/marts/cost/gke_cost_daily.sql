{#
    One row per usage date, billing account, project, cluster, namespace, workload and currency:
    what Kubernetes costs and for whom, of all charges that a label ties to GKE. What GKE's cost
    allocation gives to no workload keeps its own namespace, and `allocation` names which part it
    is; spreading it over the workloads is a choice that no bill makes. Charges with no
    namespace are the cluster's: fees, and nodes of a cluster without cost allocation.
#}
with charges as (

    select
        *,
        {{ label_value('labels', "'goog-k8s-cluster-name'") }} as cluster_label,
        {{ label_value('labels', "'goog-k8s-cluster-location'") }} as location_label,
        {{ label_value('labels', "'k8s-namespace'") }} as namespace_label,
        {{ label_value('labels', "'k8s-workload-name'") }} as workload_label,
        {{ label_value('labels', "'k8s-workload-type'") }} as workload_type
    from {{ ref('gcp_silver_cost') }}
    where
        {{ date_in_slice('usage_date') }}
        and {{ has_gke_label() }}

),

workload_charges as (

    select
        *,
        coalesce(nullif(cluster_label, ''), '(no cluster)') as cluster_name,
        coalesce(nullif(location_label, ''), '(no location)') as cluster_location,
        coalesce(nullif(namespace_label, ''), '(no namespace)') as k8s_namespace,
        coalesce(nullif(workload_label, ''), '(no workload)') as workload_name,
        case coalesce(namespace_label, '')
            when '' then 'cluster'
            when 'kube:unallocated' then 'unallocated'
            when 'kube:system-overhead' then 'system_overhead'
            when 'goog-k8s-unsupported-sku' then 'unsupported_sku'
            when 'goog-k8s-unknown' then 'unknown'
            else 'workload'
        end as allocation
    from charges

),

workloads as (

    select
        -- keys
        usage_date,
        billing_account_id,
        project_id,
        cluster_name,
        cluster_location,
        k8s_namespace,
        workload_name,
        workload_type,
        currency,

        -- attributes
        allocation,
        max(project_name) as project_name,

        -- measures
        count(*) as charge_rows,
        {{ money('sum(gross_cost)') }} as gross_cost,
        {{ money('sum(credits_total)') }} as credits_total,
        {{ money('sum(billed_cost)') }} as billed_cost

    from workload_charges
    group by
        usage_date, billing_account_id, project_id, cluster_name, cluster_location,
        k8s_namespace, workload_name, workload_type, currency, allocation

)

select * from workloads
