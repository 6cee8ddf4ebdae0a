"""Who calls: a tenant's key, the admin's key, or, on this machine only, anybody."""

import hmac
import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from runner import keys
from runner.api.errors import Problem
from runner.api.limits import Rate
from runner.errors import UsageProblem
from runner.settings import Settings
from runner.warehouse import Warehouse

log = logging.getLogger(__name__)

# A key is looked up again after so long: a revoked one is taken no longer than that.
CACHE_SECONDS = 5.0
CACHED = 10_000
ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Who calls: a key's id, and the tenant it is of (None: all of them)."""

    id: str
    tenant_id: str | None
    scopes: tuple[str, ...]

    def only(self, tenant_id: str) -> None:
        """Raises Problem when that tenant is another's."""
        if self.tenant_id not in (None, tenant_id):
            raise Problem(
                403,
                "another_tenant",
                f"This key is of tenant {self.tenant_id} and opens nothing of another:"
                " call with that tenant's own key.",
            )


@dataclass(frozen=True)
class Access:
    """How the service lets callers in, as the environment says."""

    is_open: bool
    admin_hash: str
    per_minute: int


def access(settings: Settings) -> Access:
    """Raises UsageProblem for a setting that cannot be meant."""
    environ = settings.environ
    admin = environ.get("RUNNER_ADMIN_KEY_SHA256", "").strip().lower()
    if admin and not re.fullmatch("[0-9a-f]{64}", admin):
        raise UsageProblem(
            "RUNNER_ADMIN_KEY_SHA256 is no SHA-256 in hex: make a key with `openssl rand -hex 32`"
            " and set this to what `printf %s KEY | sha256sum` prints."
        )
    text = environ.get("RUNNER_RATE_LIMIT") or "50"
    if not re.fullmatch("[0-9]{1,7}", text):
        raise UsageProblem(
            f"RUNNER_RATE_LIMIT is '{text}': set it to calls a minute, such as 50; 0 for no limit."
        )
    is_open = environ.get("DISABLE_AUTH", "").lower() in ("1", "true", "yes")
    return Access(is_open, admin, int(text))


class Door:
    """Lets callers in by their key. Keys are kept for seconds, so that few calls look them up."""

    def __init__(self, how: Access, warehouse: Callable[[], Warehouse]) -> None:
        self._how = how
        self._warehouse = warehouse
        self._rate = Rate(how.per_minute)
        self._refused = Rate(how.per_minute)
        self._cache: dict[str, tuple[float, keys.Key | None]] = {}
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], datetime] = {}

    async def caller(self, request: Request, scope: str) -> Caller:
        """Who calls. Raises Problem: 401 for no key of ours, 403 for what it may not, 429."""
        found = await self._known(request)
        request.state.caller = found.id
        self._rate.take(found.id)
        if scope not in found.scopes:
            raise Problem(
                403,
                "not_allowed",
                f"This key does not have the scope {scope}: make one that has, with"
                " `runner tenant key create`, or call with the admin key.",
            )
        for named in (request.path_params.get("tenant_id"), request.query_params.get("tenant_id")):
            if named is not None:
                found.only(named)
        return found

    async def _known(self, request: Request) -> Caller:
        everything = (*keys.SCOPES, ADMIN)
        client = request.client.host if request.client else "unknown"
        if self._how.is_open:
            return Caller(f"anybody at {client}", None, everything)
        secret = _secret(request)
        hashed = keys.hash_of(secret)
        if self._how.admin_hash and hmac.compare_digest(hashed, self._how.admin_hash):
            return Caller(ADMIN, None, everything)
        key = None
        if secret.startswith(keys.PREFIX) and len(secret) < 200:
            at, key = self._cache.get(hashed, (0.0, None))
            if at <= time.monotonic():
                key = await run_in_threadpool(self._look_up, secret, hashed)
        if key is None or key.state != "active":
            self._refused.take(client)
            raise Problem(
                401,
                "no_valid_key",
                f"The key is {key.state}: ask for another."
                if key
                else "Send a key of yours as the header X-API-Key; one is made with"
                " `runner tenant key create --tenant ID`.",
                {"WWW-Authenticate": "ApiKey"},
            )
        self._used[key.tenant_id, key.id] = datetime.now(UTC)
        return Caller(key.id, key.tenant_id, key.scopes)

    def _look_up(self, secret: str, hashed: str) -> keys.Key | None:
        """The key, asked for once though many calls come at once."""
        with self._lock:
            at, key = self._cache.get(hashed, (0.0, None))
            if at > time.monotonic():
                return key
            key = keys.find(self._warehouse(), secret)
            if len(self._cache) >= CACHED:
                self._cache.clear()
            self._cache[hashed] = (time.monotonic() + CACHE_SECONDS, key)
            return key

    def write_uses(self, warehouse: Warehouse) -> None:
        """Write down when keys were last used; a key costs a statement a minute, not a call."""
        used, self._used = self._used, {}
        tenants: dict[str, dict[str, datetime]] = {}
        for (tenant_id, key_id), moment in used.items():
            tenants.setdefault(tenant_id, {})[key_id] = moment
        for tenant_id, when in tenants.items():
            keys.used(warehouse, tenant_id, when)


def _secret(request: Request) -> str:
    """The key as it was sent: X-API-Key, or Authorization: Bearer."""
    named = request.headers.get("x-api-key")
    if named is not None:
        return named.strip()
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""
