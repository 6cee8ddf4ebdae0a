"""Values as text, for people and machines alike."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def as_json(document: Any) -> str:
    """One JSON document; money as exact text, times as ISO 8601."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return money(value)
        if isinstance(value, datetime | date):
            return value.isoformat()
        return str(value)

    return json.dumps(document, indent=2, default=plain)


def money(amount: Decimal) -> str:
    """An amount as it is, without an exponent and without zeros at its end beyond the cents."""
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
