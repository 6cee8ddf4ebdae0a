"""Statements over API keys."""


# -- API keys. The hash is of a key with 256 random bits, so nobody can guess what it is of.

KEY_COLUMNS = "api_key_id, tenant_id, api_key_hash, scopes, is_active, expires_at, created_at"

ADD_KEY = f"""
insert into `tenants.tenant_api_keys` ({KEY_COLUMNS})
values (
    @api_key_id, @tenant_id, @api_key_hash, split(@scopes, ','), true,
    @expires_at, @now
)
"""

# The tenant's own copy, with whose key it is.
ADD_OWN_KEY = f"""
insert into `{{tenant}}.x_meta_api_keys` ({KEY_COLUMNS}, created_by, description)
values (
    @api_key_id, @tenant_id, @api_key_hash, split(@scopes, ','), true,
    @expires_at, @now, @created_by, @description
)
"""

KEY_OF_HASH = f"""
select {KEY_COLUMNS} from `tenants.tenant_api_keys` where api_key_hash = @api_key_hash
"""

KEYS = """
select
    keys.api_key_id, keys.tenant_id, keys.scopes, keys.is_active, keys.expires_at, keys.created_at,
    keys.last_used_at, own.created_by, own.description
from `tenants.tenant_api_keys` as keys
left join `{tenant}.x_meta_api_keys` as own on keys.api_key_id = own.api_key_id
where keys.tenant_id = @tenant_id
order by keys.created_at, keys.api_key_id
"""

REVOKE_KEY = """
update `{dataset}.{table}` set is_active = false
where tenant_id = @tenant_id and api_key_id = @api_key_id and is_active
"""

USED_KEY = """
update `{dataset}.{table}` set last_used_at = @last_used_at_{n}
where api_key_id = @api_key_id_{n} and coalesce(last_used_at, created_at) <= @last_used_at_{n}
"""
