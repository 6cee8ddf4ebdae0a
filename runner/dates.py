"""Usage dates and their ranges."""

from datetime import date

from runner.orchestration import moved


def span(first: date, last: date) -> str:
    """Dates for people: one date, or `from to`."""
    return first.isoformat() if first == last else f"{first.isoformat()} to {last.isoformat()}"


def spans(dates: tuple[date, ...]) -> str:
    """Dates in words, contiguous ones as one span."""
    return ", ".join(span(one.first, one.last) for one in moved.ranges(dates))
