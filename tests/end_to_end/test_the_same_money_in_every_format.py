"""One bill as Parquet, NDJSON and CSV: one and the same amounts, to the last digit."""

from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
from exports import charge, credit, write_ndjson, write_parquet
from support import only
from world import World

DAY = "2024-11-01"
RATE = 1380.5
# Of won; ties at nine decimals (an odd number of 2^-10); a third; less than a billionth.
COSTS = (4434742.42532, 98765432109.87654, 0.0009765625, -3.0009765625, 1 / 3, 4e-10)
ACCOUNTS = {
    ending: f"01AAA{n}-BBBBBB-CCCCCC" for n, ending in enumerate(("parquet", "json", "csv"))
}
EXACT = Context(prec=1_200, rounding=ROUND_HALF_UP)


def rounded(x: float | Decimal) -> Decimal:
    """To nine decimals, half away from zero."""
    return Decimal(x).quantize(Decimal("1e-9"), context=EXACT)


def rows(account: str) -> list[dict[str, Any]]:
    return [
        charge(
            DAY,
            cost,
            billing_account_id=account,
            sku={"id": str(n)},
            credits=[credit(-cost / 7)],
            currency="KRW",
            currency_conversion_rate=RATE,
        )
        for n, cost in enumerate(COSTS)
    ]


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as CSV, their records and lists as JSON."""
    text = write_ndjson(path.with_suffix(".ndjson.gz"), rows)
    columns = {name: "varchar" for name in rows[0] if name != "_PARTITIONTIME"}
    with duckdb.connect() as connection:
        connection.read_json(str(text), format="newline_delimited", columns=columns).to_csv(
            str(path)
        )
    text.unlink()
    return path


def test_one_bill_has_the_same_amounts_in_every_format(empty_world: World) -> None:
    folder = empty_world.folder / "exports"
    exports = [
        write_parquet(folder / "a.parquet", rows(ACCOUNTS["parquet"])),
        write_ndjson(folder / "b.json.gz", rows(ACCOUNTS["json"])),
        write_csv(folder / "c.csv", rows(ACCOUNTS["csv"])),
    ]
    more = [part for path in exports[1:] for part in ("--export", str(path))]
    empty_world.add("mini", exports[0], *more)
    with only("layers"):
        empty_world.run("mini", DAY)
    wanted = []
    for cost in COSTS:
        given = rounded(-cost / 7)
        net = rounded(cost) + given
        dollars = rounded(EXACT.divide(net, Decimal(RATE)))
        wanted.append((rounded(cost), rounded(cost), given, net, dollars))
    for account in ACCOUNTS.values():
        found = empty_world.data(
            "mini",
            "select gross_cost, list_cost, credits_total, billed_cost, billed_cost_usd"
            " from mini.gcp_silver_cost where billing_account_id = ? order by sku_id",
            account,
        )
        assert found == wanted, account


def test_a_run_fails_for_an_amount_beyond_numeric_and_names_the_column(empty_world: World) -> None:
    export = write_parquet(empty_world.folder / "a.parquet", [charge(DAY, cost_at_list=1e30)])
    empty_world.add("mini", export)
    answer = empty_world("run", "--tenant", "mini", "--date", DAY)
    assert answer.exit_code == 1, answer.output
    reported = "has in the column cost_at_list a value outside the range of NUMERIC"
    assert reported in answer.output and "1e+30" not in answer.output, "it may be another tenant's"
