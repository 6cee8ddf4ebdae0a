"""The FOCUS mart of three exports passes the FinOps Foundation's own validator."""

from pathlib import Path

import duckdb
import pytest
from support import shared
from validator import Validator
from world import World

# Two halves of one OR, each of which the validator counts for itself, too: InvoiceId null on no row
# breaks the first, on every row the second, and no file with rows can pass both.
EITHER_OR = {"InvoiceId-C-004-C", "InvoiceId-C-005-C"}
WE_FAIL = {"InvoiceId-C-004-C"}

# With every condition taken for true. Composites fail with the rule that they are made of.
NOT_IN_THE_EXPORT = {"BillingAccountName-C-000-M", "BillingAccountName-C-003-C"}
# Their conditions are written wrongly in the validator's model of FOCUS 1.2 (model-1.2.0.1.json):
# both are applied to rows without a commitment or reservation, where the status must be null.
NO_FILE_CAN_PASS = {
    *(f"CommitmentDiscountStatus-C-{rule}-C" for rule in ("000", "002", "004")),
    *(f"CapacityReservationStatus-C-{rule}-C" for rule in ("000", "002", "004")),
}
OF_ALL_FILES = {"CostAndUsage-D-000-M", "CostAndUsage-D-002-M"}
# FOCUS wants Unicode, the validator ASCII; the sample has a resource named café.
ASCII_ONLY = {
    *("ResourceId-C-000-C", "ResourceId-C-002-M", "ResourceName-C-000-C", "ResourceName-C-002-M"),
}

SHARED = {
    "nise": ("data/nise/nise_resource_v1.parquet", "2026-07-01", "2026-08-31"),
    "docs": ("data/google_doc_examples/google_doc_examples.parquet", "2020-08-01", "2025-12-31"),
}


def export(world: World, tenant: str, kind: str = "parquet", columns: str = "*") -> Path:
    """The tenant's mart as a file."""
    path = world.folder / f"{tenant}.{kind}"
    table = f"{tenant}.focus_cost_and_usage"
    world.data(tenant, f"copy (select {columns} from {table}) to '{path}' (format {kind})")
    return path


@pytest.fixture(params=["acme1281", *SHARED])
def tenant(world: World, request: pytest.FixtureRequest) -> str:
    """A tenant whose mart is built: the sample, koku-nise's export, Google's examples."""
    return built(world, request.param)


def built(world: World, name: str) -> str:
    """The tenant by that name, its mart built once."""
    if (world.warehouse / f"tenant_{name}.duckdb").exists():
        return name
    if name in SHARED:
        path, first, last = SHARED[name]
        world.add(name, shared(path))
    else:
        first, last = "2024-10-01", "2024-12-31"
        answer = world("init", "--sample-rows", "2000")
        assert answer.exit_code == 0, answer.output
    world.run(name, first, last)
    return name


def test_no_rule_fails_that_a_file_can_pass(
    world: World, validator: Validator, tenant: str
) -> None:
    # CSV where the odd texts are: it must be read back as what it was.
    verdict = validator.judge(export(world, tenant, "csv" if tenant == "acme1281" else "parquet"))
    assert verdict.failed == WE_FAIL
    assert verdict.rules["InvoiceId-C-003-C"] == "passed", "the OR of the two"
    assert verdict.passed > 100


@pytest.mark.parametrize("tenant", ["acme1281", "docs"], indirect=True)
def test_of_the_conditional_rules_only_those_fail_that_are_known_to(
    world: World, validator: Validator, tenant: str
) -> None:
    known = WE_FAIL | NOT_IN_THE_EXPORT | NO_FILE_CAN_PASS | OF_ALL_FILES
    verdict = validator.judge(export(world, tenant), "ALL")
    assert verdict.failed == known | (ASCII_ONLY if tenant == "acme1281" else set())
    assert verdict.passed > 300


def test_both_cost_columns_sum_to_the_net_by_date_and_currency(world: World, tenant: str) -> None:
    net = world.data(
        tenant,
        f"select usage_date, currency, sum(billed_cost) from {tenant}.gcp_silver_cost"
        " group by all order by all",
    )
    for column in ("BilledCost", "EffectiveCost"):
        assert net == world.data(
            tenant,
            f"select x_UsageDate, BillingCurrency, sum({column})"
            f" from {tenant}.focus_cost_and_usage group by all order by all",
        )
    assert net


@pytest.fixture(scope="module")
def broken(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's file with faults that others' conversions have, and no invoice."""
    built(world, "acme1281")
    path = tmp_path_factory.mktemp("broken") / "broken.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select * exclude (BillingPeriodEnd) replace"
            " (lower(ChargeCategory) as ChargeCategory, 'Others' as ServiceCategory,"
            " cast(null as varchar) as InvoiceId, cast(null as decimal(38, 9)) as EffectiveCost)"
            f" from '{export(world, 'acme1281')}' limit 500) to '{path}'"
        )
    return path


def test_the_validator_finds_a_broken_file(validator: Validator, broken: Path) -> None:
    failed = validator.judge(broken).failed
    for rule in (
        *("ChargeCategory-C-003-M", "ServiceCategory-C-003-M", "EffectiveCost-C-003-M"),
        "CostAndUsage-D-010-M",
    ):
        assert rule in failed, rule
    assert failed & EITHER_OR == EITHER_OR - WE_FAIL, "null on every row breaks the other half"
