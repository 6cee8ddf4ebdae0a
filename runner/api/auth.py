"""Who calls: a tenant's key, the admin's key, or, on this machine only, anybody."""

import asyncio
import contextlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from runner import names
from runner.api.errors import Problem
from runner.api.middleware import Rate
from runner.control import keys
from runner.control.store import Store
from runner.errors import UsageProblem
from runner.settings import Settings

log = logging.getLogger(__name__)

# A key is looked up again after so long: a revoked one is taken no longer than that.
CACHE_SECONDS = 5.0
CACHED = 10_000
# What is no key of ours is kept apart, so that a flood of it pushes no good key out.
MISSES = 1_000
# So many keys that nobody has sent before are looked up at once.
STRANGERS = 3
ADMIN = "admin"
# What a hash is of when the command that should have printed the key printed nothing.
BLANKS = frozenset(
    keys.hash_of("".join(text)) for length in range(4) for text in product(" \t\r\n", repeat=length)
)


@dataclass(frozen=True)
class Caller:
    """Who calls: a key's id, and the one tenant it is of, or all of them (`is_admin`)."""

    id: str
    tenant_id: str | None
    scopes: tuple[str, ...]
    is_admin: bool = False

    def may_see(self, tenant_id: str) -> bool:
        """Whether what is that tenant's is for this caller."""
        return self.is_admin or (bool(tenant_id) and self.tenant_id == tenant_id)

    def only(self, tenant_id: str) -> None:
        """Raises Problem when that tenant is another's."""
        if not self.may_see(tenant_id):
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
    admin = environ.get(keys.ADMIN_HASH, "").strip().lower()
    if admin and not re.fullmatch("[0-9a-f]{64}", admin):
        raise UsageProblem(
            f"{keys.ADMIN_HASH} is no SHA-256 in hex: set what `runner admin-key create` prints."
        )
    if admin in BLANKS:
        raise UsageProblem(
            f"{keys.ADMIN_HASH} is the hash of an empty key: set what `runner admin-key create`"
            " prints."
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

    def __init__(self, how: Access, store: Callable[[], Warehouse]) -> None:
        self._how = how
        self._store = store
        self._rate = Rate(how.per_minute)
        self._refused = Rate(how.per_minute)
        self._cache: dict[str, tuple[float, keys.Key]] = {}
        self._misses: dict[str, float] = {}
        self._lock = threading.Lock()
        # Threads of their own: whoever guesses keys waits for nobody's answer but a guess's.
        self._strangers = ThreadPoolExecutor(STRANGERS, "stranger")
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
            return Caller(f"anybody at {client}", None, everything, is_admin=True)
        sent = request.headers.getlist("x-api-key")
        if len(sent) != 1 or not keys.FORM.fullmatch(sent[0]):
            self._refused.take(client)
            raise _nobody(None)
        secret = sent[0]
        hashed = keys.hash_of(secret)
        if self._how.admin_hash and hmac.compare_digest(hashed, self._how.admin_hash):
            return Caller(ADMIN, None, everything, is_admin=True)
        key = await self._key(secret, hashed, client)
        if key is None or key.state != "active" or not _is_slug(key.tenant_id):
            self._refused.take(client)
            raise _nobody(key)
        self._used[key.tenant_id, key.id] = datetime.now(UTC)
        # What stands in the table may be anything: the scopes that there are, and no others.
        return Caller(key.id, key.tenant_id, tuple(one for one in key.scopes if one in keys.SCOPES))

    async def _key(self, secret: str, hashed: str, client: str) -> keys.Key | None:
        """The key, from the cache or looked up. Raises Problem for who has guessed too often."""
        at, known = self._cache.get(hashed, (0.0, None))
        if known is not None and at > time.monotonic():
            return known
        if known is not None:
            return await run_in_threadpool(self._look_up_again, secret, hashed)
        self._refused.look(client)
        # With the id of the request, as the framework's own threads have it.
        look_up = partial(copy_context().run, self._look_up, secret, hashed, client)
        return await asyncio.get_running_loop().run_in_executor(self._strangers, look_up)

    def _look_up_again(self, secret: str, hashed: str) -> keys.Key | None:
        """A key that was good, asked for once though many calls come at once."""
        with self._lock:
            at, key = self._cache.get(hashed, (0.0, None))
            return key if at > time.monotonic() else self._find(secret, hashed)

    def _look_up(self, secret: str, hashed: str, client: str) -> keys.Key | None:
        """A key that nobody has sent before, in its turn: look again at what came before it."""
        at, key = self._cache.get(hashed, (0.0, None))
        if at > time.monotonic() or self._misses.get(hashed, 0.0) > time.monotonic():
            return key
        self._refused.look(client)
        found = self._find(secret, hashed)
        if found is None:
            # Here, not once the answer is made: the guess that is next must see it.
            self._refused.take(client)
            raise _nobody(None)
        return found

    def _find(self, secret: str, hashed: str) -> keys.Key | None:
        key = keys.find(self._store(), secret)
        until = time.monotonic() + CACHE_SECONDS
        if key is None:
            self._cache.pop(hashed, None)
            _keep(self._misses, MISSES, hashed, until)
        else:
            _keep(self._cache, CACHED, hashed, (until, key))
        return key

    def close(self) -> None:
        """Look nobody up any more."""
        self._strangers.shutdown(wait=False, cancel_futures=True)

    def write_uses(self, store: Store) -> None:
        """Write down when keys were last used; a key costs a statement a minute, not a call."""
        used, self._used = self._used, {}
        tenants: dict[str, dict[str, datetime]] = {}
        for (tenant_id, key_id), moment in used.items():
            tenants.setdefault(tenant_id, {})[key_id] = moment
        for tenant_id, when in tenants.items():
            keys.used(store, tenant_id, when)


def _nobody(key: keys.Key | None) -> Problem:
    return Problem(
        401,
        "no_valid_key",
        f"The key is {key.state}: ask for another."
        if key and key.state != "active"
        else "Send one key, exactly as it was shown, in one header X-API-Key and nowhere else;"
        " `runner tenant key create --tenant ID` makes one, `runner admin-key create` the admin's.",
        {"WWW-Authenticate": "ApiKey"},
    )


def _is_slug(tenant_id: str | None) -> bool:
    """Whether it names a tenant: it is the name of a dataset in statements."""
    with contextlib.suppress(UsageProblem):
        return bool(tenant_id) and names.tenant_id(tenant_id or "") == tenant_id
    return False


def _keep(kept: dict[str, Any], most: int, name: str, value: Any) -> None:
    """Keep the value as the newest of at most so many. The dict is other threads', too."""
    kept.pop(name, None)
    kept[name] = value
    while len(kept) > most:
        with contextlib.suppress(StopIteration, RuntimeError):
            kept.pop(next(iter(kept)), None)
