"""The limit of calls a minute."""

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from runner.api.errors import Problem


class RateLimit:
    """`per_minute` calls for each name, counted in this process; 0 for no limit."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._calls = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, name: str) -> None:
        """Count a call. Raises Problem after too many in the last minute."""
        if self._limit.amount and not self._calls.hit(self._limit, name):
            raise self._refusal(name)

    def check(self, name: str) -> None:
        """Raises Problem as `hit` does, without counting a call."""
        if self._limit.amount and not self._calls.test(self._limit, name):
            raise self._refusal(name)

    def _refusal(self, name: str) -> Problem:
        resets_at = self._calls.get_window_stats(self._limit, name).reset_time
        seconds = max(1, round(resets_at - time.time() + 0.5))
        per_minute = self._limit.amount
        return Problem(
            429,
            "rate_limited",
            f"More than {per_minute} calls in a minute: wait {seconds} s, then continue.",
            {"Retry-After": str(seconds)},
            limit_per_minute=per_minute,
        )
