"""Authentication: by a tenant's key, the admin key or, with DISABLE_AUTH, none at all."""

import asyncio
import contextlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from cachetools import LRUCache, TTLCache
from fastapi import Request
from fastapi.security import APIKeyHeader
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from runner import names
from runner.api.errors import Problem, plain
from runner.api.rate_limit import RateLimit
from runner.control import keys
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.settings import Settings

# How long a key is cached, and so how long a revoked key may still be accepted.
CACHE_SECONDS = 5.0
CACHED = 10_000
# How many unknown keys are checked at once: a flood of guesses must not use up the threads that
# answer all requests.
GUESSES_AT_ONCE = 3
ADMIN = "admin"
# Hashes of blank texts: the result when the command that should print the key printed nothing.
BLANKS = frozenset(
    keys.hash_of("".join(text)) for length in range(4) for text in product(" \t\r\n", repeat=length)
)


@dataclass(frozen=True)
class Principal:
    """The authenticated caller: a key's id and its tenant, or all tenants (`is_admin`)."""

    id: str
    tenant_id: str | None
    scopes: tuple[str, ...]
    is_admin: bool = False

    def may_see(self, tenant_id: str) -> bool:
        """Whether the principal may read that tenant's data."""
        return self.is_admin or (bool(tenant_id) and self.tenant_id == tenant_id)

    def require_tenant(self, tenant_id: str) -> None:
        """Raises Problem when the principal may not see that tenant."""
        if not self.may_see(tenant_id):
            raise Problem(
                403,
                "another_tenant",
                f"This key belongs to tenant {self.tenant_id} and gives no access to another:"
                " use a key of that tenant.",
            )

    def readable(self, value: Any) -> Any:
        """The value; unless for the admin, its texts are without the server's paths."""
        if self.is_admin:
            return value
        if isinstance(value, dict):
            return {name: self.readable(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.readable(part) for part in value]
        return plain(value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Access:
    """The service's settings of authentication, from the environment."""

    is_open: bool
    admin_hash: str
    per_minute: int


def access(settings: Settings) -> Access:
    """Reads the settings. Raises UsageProblem for an invalid one."""
    environ = settings.environ
    admin = environ.get(keys.ADMIN_HASH, "").strip().lower()
    if admin and not re.fullmatch("[0-9a-f]{64}", admin):
        raise UsageProblem(
            f"{keys.ADMIN_HASH} is not a SHA-256: set it to the value of `runner admin-key create`."
        )
    if admin in BLANKS:
        raise UsageProblem(
            f"{keys.ADMIN_HASH} is the hash of an empty key: set it to the value that"
            " `runner admin-key create` prints."
        )
    text = environ.get("RUNNER_RATE_LIMIT") or "50"
    if not re.fullmatch("[0-9]{1,7}", text):
        raise UsageProblem(
            f"RUNNER_RATE_LIMIT is '{text}': set it to calls a minute, such as 50, or 0 for none."
        )
    is_open = environ.get("DISABLE_AUTH", "").lower() in ("1", "true", "yes")
    return Access(is_open, admin, int(text))


class KeyHeader(APIKeyHeader):
    """The key in exactly one header X-API-Key, in the form that the runner creates; else None."""

    async def __call__(self, request: HTTPConnection) -> str | None:
        sent = request.headers.getlist(self.model.name)
        return sent[0] if len(sent) == 1 and keys.FORM.fullmatch(sent[0]) else None


API_KEY = KeyHeader(name="X-API-Key", scheme_name="key", auto_error=False)


class Authenticator:
    """Finds the principal of a key, and caches keys. Used only by the event loop's thread."""

    def __init__(self, access: Access, store: Callable[[], Store]) -> None:
        """`store`: the control tables for the current thread."""
        self._access = access
        self._store = store
        self._calls = RateLimit(access.per_minute)
        self._refusals = RateLimit(access.per_minute)
        self._keys: TTLCache[str, keys.Key] = TTLCache(CACHED, CACHE_SECONDS)
        # Hashes of keys that were found before: these are not guesses.
        self._found: LRUCache[str, bool] = LRUCache(CACHED)
        self._pending: dict[str, asyncio.Future[keys.Key | None]] = {}
        self._guesses = asyncio.Semaphore(GUESSES_AT_ONCE)
        self._used: dict[tuple[str, str], datetime] = {}

    async def principal(self, request: Request, secret: str | None, scope: str) -> Principal:
        """The principal. Raises Problem: 401 unknown key, 403 not allowed, 429 rate limit."""
        client = request.client.host if request.client else "unknown"
        found = await self._identify(secret, client)
        request.state.principal = found.id
        self._calls.hit(found.id)
        if scope not in found.scopes:
            raise Problem(
                403,
                "not_allowed",
                f"This key does not have the scope {scope}: create one that does with"
                " `runner tenant key create`, or use the admin key.",
            )
        for named in (request.path_params.get("tenant_id"), request.query_params.get("tenant_id")):
            if named is not None:
                found.require_tenant(named)
        return found

    async def _identify(self, secret: str | None, client: str) -> Principal:
        everything = (*keys.SCOPES, ADMIN)
        if self._access.is_open:
            return Principal(f"unauthenticated from {client}", None, everything, is_admin=True)
        if secret is None:
            self._refusals.hit(client)
            raise _no_valid_key(None)
        hashed = keys.hash_of(secret)
        if self._access.admin_hash and hmac.compare_digest(hashed, self._access.admin_hash):
            return Principal(ADMIN, None, everything, is_admin=True)
        key = self._keys.get(hashed) or await self._find(secret, hashed, client)
        if key.state != "active" or not _is_tenant_id(key.tenant_id):
            self._refusals.hit(client)
            raise _no_valid_key(key)
        self._used[key.tenant_id, key.id] = datetime.now(UTC)
        # The table may contain any text: only scopes that exist.
        scopes = tuple(scope for scope in key.scopes if scope in keys.SCOPES)
        return Principal(key.id, key.tenant_id, scopes)

    async def _find(self, secret: str, hashed: str, client: str) -> keys.Key:
        """Find a key. Raises Problem when it is unknown, or for too many guesses of a client."""
        is_guess = hashed not in self._found
        async with self._guesses if is_guess else contextlib.nullcontext():
            if is_guess:
                if key := self._keys.get(hashed):
                    return key  # found while this call waited
                self._refusals.check(client)
            key = await self._read(secret, hashed)
            if key is None:
                # Counted before the next guess begins, so that its check includes this one.
                self._refusals.hit(client)
                raise _no_valid_key(None)
        return key

    def _read(self, secret: str, hashed: str) -> asyncio.Future[keys.Key | None]:
        """The key, None if unknown, by one statement for all calls that wait for it."""

        async def read() -> keys.Key | None:
            try:
                key = await run_in_threadpool(lambda: keys.find(self._store(), secret))
            finally:
                del self._pending[hashed]
            if key:
                self._keys[hashed], self._found[hashed] = key, True
            else:  # it was deleted: from now on it is a guess
                self._found.pop(hashed, None)
            return key

        if hashed not in self._pending:
            self._pending[hashed] = asyncio.ensure_future(read())
        # A cancelled call must not cancel it for the others.
        return asyncio.shield(self._pending[hashed])

    def write_uses(self, store: Store) -> None:
        """Write the last uses of keys since the previous call."""
        used, self._used = self._used, {}
        by_tenant: dict[str, dict[str, datetime]] = {}
        for (tenant_id, key_id), at in used.items():
            by_tenant.setdefault(tenant_id, {})[key_id] = at
        for tenant_id, when in by_tenant.items():
            keys.used(store, tenant_id, when)


def _no_valid_key(key: keys.Key | None) -> Problem:
    message = (
        "Send one valid key in one header X-API-Key. To create one: `runner tenant key create"
        " --tenant ID`, or `runner admin-key create` for the admin key."
    )
    if key and key.state != "active":
        message = f"The key is {key.state}: ask the operator for a new one."
    return Problem(401, "no_valid_key", message, {"WWW-Authenticate": "ApiKey"})


def _is_tenant_id(text: str | None) -> bool:
    """Whether it is a valid tenant id, and so safe as a dataset's name in statements."""
    with contextlib.suppress(UsageProblem):
        return bool(text) and names.tenant_id(text or "") == text
    return False
