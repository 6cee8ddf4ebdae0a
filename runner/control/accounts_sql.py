"""The service account of a tenant. The runner uses the one in the tenant's profile, which the
account itself cannot change; the tenant's dataset keeps the history: each account and who set it.
"""

# Changes nothing when another tenant has the account; an empty account clears it.
SET_ACCOUNT = """
update `tenants.tenant_profiles`
set service_account = nullif(@service_account, ''), updated_at = @now
where tenant_id = @tenant_id
    and not exists (
        select 1 from `tenants.tenant_profiles` as others
        where others.tenant_id <> @tenant_id and others.service_account = @service_account
    )
"""

END_CREDENTIALS = """
update `{tenant}.x_meta_cloud_credentials`
set is_active = false, updated_at = @now
where is_active
    and exists (
        select 1 from `tenants.tenant_profiles`
        where tenant_id = @tenant_id and coalesce(service_account, '') = @service_account
    )
"""

ADD_CREDENTIALS = """
insert into `{tenant}.x_meta_cloud_credentials` (
    credential_id, tenant_id, provider, credential_type, project_id, secret_ref, created_at,
    updated_at, is_active, created_by
)
select
    @credential_id, tenant_id, 'gcp', 'impersonation', @project_id, service_account, @now, @now,
    true, @created_by
from `tenants.tenant_profiles`
where tenant_id = @tenant_id and service_account = @service_account
"""

CREDENTIALS = """
select
    profiles.tenant_id, profiles.service_account as impersonate, own.created_at as set_at,
    own.created_by as set_by
from `tenants.tenant_profiles` as profiles
left join `{tenant}.x_meta_cloud_credentials` as own
    on profiles.tenant_id = own.tenant_id and profiles.service_account = own.secret_ref
    and own.is_active
where profiles.tenant_id = @tenant_id
order by own.created_at desc
limit 1
"""
