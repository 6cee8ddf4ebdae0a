"""The rows of the shared export: two accounts, and on 2024-11-02 one trap after the other."""

from typing import Any

from exports import ACCOUNT, charge, credit

OTHER = "01DDDD-EEEEEE-FFFFFF"
EUROS = "01EEEE-000000-FFFFFF"
BULK = 5200
ODD = 'it\'s "odd" \\ back\\\\slash ☃ \U0001f4b8 {{ jinja }} @now; -- %s\n\ttab'
NO_PROJECT = {"project": None}


def bulk() -> list[dict[str, Any]]:
    """More rows on one date than the predecessor's LIMIT 1000 let through."""
    return [
        charge("2024-11-01", 0.001, sku={"id": f"BULK-{n:05}"}, usage={"amount": float(n)})
        for n in range(BULK)
    ]


def traps() -> list[dict[str, Any]]:
    """Usage of 2024-11-02, each row by the sku that names its trap."""
    day = "2024-11-02"

    def trap(name: str, cost: float = 1.0, **changes: Any) -> dict[str, Any]:
        return charge(day, cost, sku={"id": name}, **changes)

    nothing = dict.fromkeys(("labels", "system_labels", "tags", "credits"))
    records = dict.fromkeys(
        ("project", "location", "resource", "price", "subscription", "usage", "consumption_model")
    )
    return [
        *(trap("twin", 2.5) for _ in range(2)),
        trap("null-arrays", 1.0, **nothing),
        trap("null-records", 1.0, **records, transaction_type=None, cost_at_list=None),
        trap("empty-arrays", 1.0, labels=[], system_labels=[], tags=[], credits=[]),
        *(trap("below-a-nano", 4e-10) for _ in range(3)),
        trap("rounds-up", 6e-10),
        trap("one-nano", 1e-9),
        trap("float-noise", 0.1 + 0.2),
        trap("huge", 1234567.123456789),
        trap("odd-text", 1.0, labels=[{"key": ODD, "value": ODD}], project={"name": ODD}),
        trap("null-label", 1.0, labels=[{"key": "k", "value": None}, {"key": None, "value": "v"}]),
        trap("same-key", 1.0, labels=[{"key": "env", "value": "mine"}]),
        trap(
            "credits",
            10.0,
            credits=[credit(-1.5), credit(-0.25, "PROMOTION"), credit(-1e-9, "BRAND_NEW")],
        ),
        trap("credit-without-amount", 1.0, credits=[{"name": "x", "amount": None, "type": None}]),
        trap("negative", -7.25),
        trap("tax", 0.33, cost_type="tax", **NO_PROJECT),
        trap("rounding", -0.01, cost_type="rounding_error", **NO_PROJECT),
        trap(
            "correction",
            -10.0,
            cost_type="adjustment",
            adjustment_info={
                "id": "a",
                "description": "d",
                "mode": "PARTIAL_CORRECTION",
                "type": "GOODWILL",
            },
            invoice={"month": "202412"},
            export_time="2024-12-20 00:00:00+00",
            _PARTITIONTIME="2024-12-20 00:00:00+00",
        ),
        trap("no-partition", 1.0, _PARTITIONTIME=None),
        trap("partition-a-day-early", 1.0, _PARTITIONTIME="2024-11-01 00:00:00+00"),
        trap("first-second", 1.0, usage_start_time=f"{day} 00:00:00+00"),
        trap(
            "last-second",
            1.0,
            usage_start_time=f"{day} 23:59:59.999999+00",
            usage_end_time="2024-11-03 01:00:00+00",
        ),
        trap("euro", 9.0, billing_account_id=EUROS, currency="EUR", currency_conversion_rate=0.92),
    ]


def shared_rows() -> list[dict[str, Any]]:
    """ACCOUNT and EUROS are shop's; OTHER is split by project, with charges of no project."""
    other = {"billing_account_id": OTHER}
    return [
        *bulk(),
        *traps(),
        charge("2024-11-03", 3.0, usage_start_time="2024-11-03 00:00:00+00"),
        charge("2024-11-05", 5.0),
        charge("2024-11-01", 100.0, **other, project={"id": "proj-b"}),
        charge("2024-11-01", 200.0, **other, project={"id": "proj-c"}),
        charge("2024-11-01", 400.0, **other, cost_type="tax", **NO_PROJECT),
        charge("2024-11-02", 800.0, **other, project={"id": "proj-b"}),
        charge("2024-11-03", 1600.0, **other, project={"id": "proj-b"}),
        # A project that moved accounts, or that another account's row names by mistake.
        charge("2024-11-01", 3200.0, billing_account_id=ACCOUNT, project={"id": "proj-b"}),
    ]
