"""Statements over API keys. The hash is of a key with 256 random bits, which cannot be guessed."""

from runner.control.statements import insert

_KEY = ("api_key_id", "tenant_id", "api_key_hash", "expires_at", "created_at")
_VALUES = {"scopes": "split(@scopes, ',')", "is_active": "true"}

ADD_KEY = insert("`tenants.tenant_api_keys`", _KEY, **_VALUES)

# The tenant's own copy, with the creator and the description.
ADD_OWN_KEY = insert("`{tenant}.x_meta_api_keys`", (*_KEY, "created_by", "description"), **_VALUES)

KEY_OF_HASH = """
select
    api_key_id as id, tenant_id, api_key_hash as key_hash, scopes, is_active, expires_at, created_at
from `tenants.tenant_api_keys`
where api_key_hash = @api_key_hash
"""

KEYS = """
select
    keys.api_key_id as id, keys.tenant_id, '' as key_hash, keys.scopes, keys.is_active,
    keys.expires_at, keys.created_at, keys.last_used_at, own.created_by, own.description
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
