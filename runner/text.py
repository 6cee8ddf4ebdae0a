"""Values as text: the JSON of every document, and exact amounts of money."""

import json
from datetime import date
from decimal import Decimal
from typing import Any


def to_json(document: Any) -> str:
    """One JSON document; money as exact text, times as ISO 8601, dataclasses as objects."""
    return json.dumps(document, indent=2, default=_plain)


def money(amount: Decimal) -> str:
    """An exact amount, without an exponent and without trailing zeros after the cents."""
    units, _, fraction = f"{amount:f}".partition(".")
    return f"{units}.{fraction.rstrip('0').ljust(2, '0')}"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, date):  # or a datetime
        return value.isoformat()
    return vars(value) if hasattr(value, "__dataclass_fields__") else str(value)
