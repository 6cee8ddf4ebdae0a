"""API keys: created, found by their hash, revoked. Only the hash is stored, never the key."""

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner.control import keys_sql as sql
from runner.control import tenants
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.sql import Row, Value

# The scopes of a key, and what each allows.
SCOPES = {
    "runs:read": "see runs, steps, quality results, quota and costs",
    "runs:write": "start and cancel runs",
}
# Lets people and secret scanners recognise a key.
PREFIX = "gtc_"
ADMIN_PREFIX = "gtc_admin_"
# The form of every key that the runner creates: 43 characters are 256 bits.
FORM = re.compile("gtc_(admin_)?[A-Za-z0-9_-]{43}")
# The variable in which the service finds the hash of the admin key.
ADMIN_HASH = "RUNNER_ADMIN_KEY_SHA256"


@dataclass(frozen=True)
class Key:
    """A key's row in the tables, without the key itself."""

    id: str
    tenant_id: str
    key_hash: str
    scopes: tuple[str, ...]
    is_active: bool
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None = None
    created_by: str | None = None
    description: str | None = None

    @property
    def state(self) -> str:
        """active, expired or revoked."""
        if not self.is_active:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if is_over else "active"

    def document(self) -> dict[str, object]:
        """As `tenant key list --json` prints it: without the hash."""
        shown = {name: value for name, value in self.__dict__.items() if name != "key_hash"}
        return {**shown, "state": self.state}


def hash_of(secret: str) -> str:
    """SHA-256, in hex. A key has 256 random bits, so no salt and no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new(prefix: str) -> str:
    """A key that cannot be guessed. The prefix shows its owner: a tenant or the admin."""
    return prefix + secrets.token_urlsafe(32)


def create(
    store: Store,
    tenant_id: str,
    scopes: tuple[str, ...],
    days: int | None,
    created_by: str,
    description: str,
) -> tuple[Key, str]:
    """A new key and its secret, which is not stored. `days` until it expires; None: never.

    Raises UsageProblem for an unknown tenant or scope.
    """
    tenants.find(store, tenant_id)
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise UsageProblem(f"'{unknown[0]}' is not a valid scope: use one of {', '.join(SCOPES)}.")
    secret = new(PREFIX)
    now = datetime.now(UTC)
    key = Key(
        id=str(uuid.uuid4()),
        tenant_id=tenant_id,
        key_hash=hash_of(secret),
        scopes=tuple(dict.fromkeys(scopes)) or tuple(SCOPES),
        is_active=True,
        expires_at=now + timedelta(days=days) if days is not None else None,
        created_at=now,
        created_by=created_by,
        description=description,
    )
    values = {**key.__dict__, "api_key_id": key.id, "api_key_hash": key.key_hash}
    values["scopes"] = ",".join(key.scopes)
    store.write(sql.ADD_KEY, sql.ADD_OWN_KEY.format(tenant=tenant_id), **values)
    return key, secret


def of_tenant(store: Store, tenant_id: str) -> list[Key]:
    """The tenant's keys, oldest first. Raises UsageProblem for an unknown tenant."""
    tenants.find(store, tenant_id)
    return [_key(row) for row in store.read(sql.KEYS.format(tenant=tenant_id), tenant_id=tenant_id)]


def revoke(store: Store, tenant_id: str, key_id: str) -> None:
    """Revoke a key for ever. Raises UsageProblem when the tenant has no such key."""
    if key_id not in {key.id for key in of_tenant(store, tenant_id)}:
        raise UsageProblem(
            f"Tenant {tenant_id} has no key '{key_id}': see"
            f" `runner tenant key list --tenant {tenant_id}`."
        )
    store.write(*_for_both(sql.REVOKE_KEY, tenant_id), tenant_id=tenant_id, api_key_id=key_id)


def find(store: Store, secret: str) -> Key | None:
    """The key with this secret, in any state; None for an unknown secret."""
    if not FORM.fullmatch(secret):
        return None
    hashed = hash_of(secret)
    for row in store.read(sql.KEY_OF_HASH, api_key_hash=hashed):
        if hmac.compare_digest(row["key_hash"], hashed):
            return _key(row)
    return None


def used(store: Store, tenant_id: str, when: Mapping[str, datetime]) -> None:
    """Write when keys of a tenant were last used, by the key's id."""
    values: dict[str, Value] = {}
    statements: list[str] = []
    for n, (key_id, at) in enumerate(when.items()):
        values |= {f"api_key_id_{n}": key_id, f"last_used_at_{n}": at}
        statements += _for_both(sql.USED_KEY, tenant_id, n)
    store.write(*statements, **values)


def _for_both(statement: str, tenant_id: str, n: int = 0) -> list[str]:
    """The statement for the central table, which the service reads, and for the tenant's copy."""
    tables = (("tenants", "tenant_api_keys"), (tenant_id, "x_meta_api_keys"))
    return [statement.format(dataset=dataset, table=table, n=n) for dataset, table in tables]


def _key(row: Row) -> Key:
    return Key(**{**row, "scopes": tuple(row["scopes"] or ()), "is_active": bool(row["is_active"])})
