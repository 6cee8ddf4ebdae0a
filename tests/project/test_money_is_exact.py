"""A float becomes the number that BigQuery makes of it: against exact decimals in Python."""

import json
import math
import random
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from macro_sql import load_macros

MACROS = load_macros()
NANO = Decimal("1e-9")
# Exact for any float that NUMERIC holds: 30 digits before the point and 1,074 after it.
EXACT = Context(prec=1_200, rounding=ROUND_HALF_UP)
CREDIT_FIELDS = [("name", "text"), ("amount", "money")]


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def numeric(x: float) -> Decimal:
    """CAST(x AS NUMERIC): the float's exact value, rounded half away from zero."""
    return Decimal(x).quantize(NANO, context=EXACT)


def some_floats(count: int, seed: int = 15) -> list[float]:
    """Floats of every magnitude that NUMERIC holds, of both signs, ties and their neighbours."""
    chance = random.Random(seed)

    def of_any_magnitude() -> float:
        return chance.uniform(1, 10) * 10.0 ** chance.randint(-30, 28)

    def of_any_bits() -> float:
        return chance.getrandbits(53) * 2.0 ** chance.randint(-140, 43)

    def as_amounts_are_written() -> float:
        return round(chance.random() * 10.0 ** chance.randint(0, 16), chance.randint(0, 10))

    def a_tie() -> float:
        # An odd number of half billionths that is a float: an odd number of 2^-10.
        return (2 * chance.getrandbits(chance.randint(1, 51)) + 1) * 2.0**-10

    def nearly_a_tie() -> float:
        return (chance.randrange(10 ** chance.randint(1, 17)) + 0.5) * 1e-9

    kinds = (of_any_magnitude, of_any_bits, as_amounts_are_written, a_tie, nearly_a_tie)
    found = [0.0, 5e-324, 5e-10, 2.0**-31, 1 - 2.0**-53, 4434742.42532, 1e29]
    while len(found) < count:
        x = chance.choice(kinds)()
        found += [x, math.nextafter(x, math.inf), math.nextafter(x, 0)]
    return [chance.choice((x, -x)) for x in found if x <= 1e29]


def test_floats_of_every_magnitude_are_rounded_by_their_exact_value(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    xs = some_floats(100_010)
    wanted = [numeric(x) for x in xs]
    assert len(xs) >= 100_000
    ties = sum(abs(Decimal(x) - y) == NANO / 2 for x, y in zip(xs, wanted, strict=True))
    assert ties > 5_000, "ties are among them"
    sql = MACROS.numeric_of_float("x")
    found = duck.execute(f"select {sql} from (select unnest($1::double[]) as x)", [xs]).fetchall()
    wrong = [(x, y, z) for x, y, (z,) in zip(xs, wanted, found, strict=True) if y != z]
    assert not wrong, f"{len(wrong)} of {len(xs)}, such as {wrong[:3]}"


def test_null_stays_null_and_the_type_is_that_of_money(duck: duckdb.DuckDBPyConnection) -> None:
    sql = MACROS.numeric_of_float("x", "error('a fault')")
    rows = f"select {sql}, typeof({sql}) from (values (null::double), (0.5)) as floats (x)"
    assert duck.execute(rows).fetchall() == [
        (None, "DECIMAL(38,9)"),
        (Decimal("0.5"), "DECIMAL(38,9)"),
    ]


@pytest.mark.parametrize("x", ["nan", "inf", "-inf", "1.0000000000000002e29", "-1e300"])
def test_what_numeric_does_not_hold_is_an_error(duck: duckdb.DuckDBPyConnection, x: str) -> None:
    for fault, message in (("error('a fault')", "a fault"), (None, "DECIMAL")):
        with pytest.raises(duckdb.Error, match=message):
            sql = MACROS.numeric_of_float("x", fault)
            duck.execute(f"select {sql} from (select unnest([$1::double]) as x)", [x]).fetchall()


class Export:
    """A file of rows, each with a cost and one credit of the same amount."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, path: Path, costs: list[Any]) -> None:
        self.duck, self.path = duck, path
        self.form = "typed" if path.suffix == ".parquet" else "text"
        lists = [[{"name": "a", "amount": cost}] for cost in costs]
        if path.suffix == ".parquet":
            self.relation = f"read_parquet('{path}')"
            duck.execute(
                "copy (select n, cost, [{name: 'a', amount: cost}] as credits from"
                " (select unnest($1::double[]) as cost, unnest(range($2)) as n))"
                f" to '{path}' (format parquet)",
                [costs, len(costs)],
            )
        elif path.suffix == ".csv":
            self.relation = f"read_csv('{path}', header = true, all_varchar = true)"
            quoted = [json.dumps(credits).replace('"', '""') for credits in lists]
            rows = [f'{n},{cost},"{quoted[n]}"' for n, cost in enumerate(costs)]
            path.write_text("\n".join(["n,cost,credits", *rows]))
        else:
            columns = "{n: 'varchar', cost: 'varchar', credits: 'varchar'}"
            self.relation = (
                f"read_json('{path}', format = 'newline_delimited', columns = {columns})"
            )
            rows = [
                json.dumps({"n": n, "cost": cost, "credits": lists[n]})
                for n, cost in enumerate(costs)
            ]
            path.write_text("\n".join(rows))

    def field(self, path: str, type_: str, found: str = "DOUBLE") -> str:
        export = {"ref": str(self.path), "form": self.form, "fields": {path: found}}
        return str(MACROS.export_field(export, path, type_))

    def amounts(self) -> list[tuple[Decimal, Decimal]]:
        """Each row's cost and credit, by the macros of the staging view."""
        fields = {"credits": "STRUCT[]", "credits.name": "VARCHAR", "credits.amount": "DOUBLE"}
        export = {"ref": str(self.path), "form": self.form, "fields": fields}
        credits = MACROS.export_list(export, "credits", CREDIT_FIELDS)
        return self.duck.execute(
            f"select {self.field('cost', 'money')}, ({credits})[1].amount"
            f" from {self.relation} order by cast(n as bigint)"
        ).fetchall()


@pytest.mark.parametrize("ending", ["parquet", "ndjson", "csv"])
def test_a_row_has_the_same_amounts_in_every_format(
    duck: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    xs = some_floats(5_000)
    found = Export(duck, tmp_path / f"rows.{ending}", xs).amounts()
    assert found == [(numeric(x), numeric(x)) for x in xs]


@pytest.mark.parametrize("ending", ["parquet", "ndjson", "csv"])
def test_an_amount_that_numeric_does_not_hold_is_named_with_its_column(
    duck: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    export = Export(duck, tmp_path / f"rows.{ending}", [1.0, -1e30])
    with pytest.raises(
        duckdb.Error, match="in the column cost a value outside the range of NUMERIC"
    ):
        duck.execute(f"select {export.field('cost', 'money')} from {export.relation}").fetchall()
    with pytest.raises(duckdb.Error, match=r"in the column (cost|credits\.amount) a value"):
        export.amounts()


def test_a_decimal_of_the_export_is_no_float(duck: duckdb.DuckDBPyConnection) -> None:
    # A tie as a decimal; the float next to it is a little less.
    assert numeric(1.0000000015) == Decimal("1.000000001")
    for text in ("1.0000000015", "0.0000000005", "12345678901234567890.123456789", "15e-10"):
        typed = {"ref": "e", "form": "typed", "fields": {"cost": "DECIMAL(38,10)"}}
        texts = {"ref": "e", "form": "text", "fields": {"price": "VARCHAR"}}
        sql = MACROS.export_field(typed, "cost", "money")
        value = MACROS.text_value(texts, "price.list_price", "cost", "money")
        wanted = Decimal(text).quantize(NANO, context=EXACT)
        rows = f"(select cast('{text}' as decimal(38, 10)) as cost)"
        assert duck.execute(f"select {sql} from {rows}").fetchone() == (wanted,)
        rows = f"(select '{text}' as cost)"
        assert duck.execute(f"select {value} from {rows}").fetchone() == (wanted,)


def test_dollars_are_divided_in_decimals(duck: duckdb.DuckDBPyConnection) -> None:
    chance = random.Random(15)
    rates = [0.8, 1.5, 3.0, 7.0, 150.0, 1380.55, 25_400.0, 1e-9, 2e-9, 64.0]
    rows = [
        (
            Decimal(chance.randrange(10 ** chance.randint(1, 28))).scaleb(-9)
            * chance.choice((1, -1)),
            chance.choice((*rates, chance.uniform(0.5, 2), chance.random() * 30_000)),
        )
        for _ in range(20_000)
    ]
    # Quotients that are ties: an odd number of half billionths.
    rows += [((2 * n + 1) * NANO, 2.0) for n in range(-50, 50)]
    wanted = [
        EXACT.divide(amount, numeric(rate)).quantize(NANO, context=EXACT) for amount, rate in rows
    ]
    duck.execute("create table charges (n bigint, amount decimal(38, 9), rate double)")
    duck.execute(
        "insert into charges select unnest(range($3)), unnest($1::decimal(38, 9)[]),"
        " unnest($2::double[])",
        [[amount for amount, _ in rows], [rate for _, rate in rows], len(rows)],
    )
    assert duck.execute("select amount, rate from charges order by n").fetchall() == rows
    sql = MACROS.in_usd("amount", "rate")
    found = duck.execute(f"select {sql} from charges order by n").fetchall()
    wrong = [(row, y, z) for row, y, (z,) in zip(rows, wanted, found, strict=True) if y != z]
    assert not wrong, f"{len(wrong)} of {len(rows)}, such as {wrong[:3]}"


def test_dollars_too_many_for_money_are_an_error_not_a_number(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    for amount, rate in (("1e20", "2.0"), ("-8.6e19", "2.0")):
        sql = MACROS.in_usd("amount", "rate")
        rows = f"(select {amount}::decimal(38, 9) as amount, unnest([{rate}::double]) as rate)"
        with pytest.raises(duckdb.Error):
            duck.execute(f"select {sql} from {rows}").fetchall()
