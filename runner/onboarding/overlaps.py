"""Charges that are billed to two tenants."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

from runner.control import tenants
from runner.control.store import Store
from runner.control.tenants import Export
from runner.dataset import export_files
from runner.errors import UsageProblem
from runner.onboarding import onboarding_sql as sql
from runner.pipelines import templates
from runner.sql import Row


@dataclass(frozen=True)
class _Bill:
    """A tenant is billed for the rows of `source`, a file or table, that pass all filters."""

    tenant_id: str
    ref: str
    source: str
    filters: tuple[Export, ...]


def also_billed_to(
    store: Store, tenant_id: str, named: list[Export], rows: list[Row] | None = None
) -> list[str]:
    """The other tenants that are billed for some charge of these exports.

    This may be intended, such as for a parent company, or a filter is missing. `rows`: of
    ALL_EXPORTS.
    """
    found = _every_export(store) if rows is None else rows
    bills = _bills([row for row in found if row["tenant_id"] != tenant_id], tenant_id, named)
    mine = [bill for bill in bills if bill.tenant_id == tenant_id]
    return sorted({other.tenant_id for _, other in _shared_bills(product(mine, bills))})


def overlaps(store: Store) -> list[tuple[str, str, str]]:
    """The pairs of tenants that are billed for the same charges, and an export of the first."""
    found: dict[tuple[str, str], str] = {}
    for one, other in _shared_bills(combinations(_bills(_every_export(store)), 2)):
        found.setdefault((one.tenant_id, other.tenant_id), one.ref)
    return [(*both, ref) for both, ref in found.items()]


def _every_export(store: Store) -> list[Row]:
    """Rows of ALL_EXPORTS; none while a column is missing: onboarding adds it and checks again."""
    found = store.columns("tenants")
    is_complete = found.get("tenant_profiles", set()) >= {"default_pipeline", "status"}
    if not is_complete or "has_unallocated" not in found.get("tenant_exports", ()):
        return []
    return store.read(sql.ALL_EXPORTS, landing=templates.LANDING)


def _bills(rows: Iterable[Row], tenant_id: str = "", named: Iterable[Export] = ()) -> list[_Bill]:
    """What each tenant is billed for, with the named exports as the tenant's; landings: nothing."""
    found = [(row, export) for row in rows for export in tenants.complete_exports([row])]
    landed: dict[str, list[Export]] = {}
    for row, export in found:
        if row["is_landing"]:
            landed.setdefault(f"tenant:{row['tenant_id']}", []).append(export)
    billed = [(row["tenant_id"], export) for row, export in found if not row["is_landing"]]
    return [
        _Bill(one, export.ref, source.ref, (source, export))
        for one, export in (*billed, *((tenant_id, export) for export in named))
        for source in landed.get(export.ref, [export])
    ]


def _shared_bills(pairs: Iterable[tuple[_Bill, _Bill]]) -> Iterator[tuple[_Bill, _Bill]]:
    """The pairs of tenants that share a charge; patterns and links are compared by their files."""
    files = cache(export_files.real_files)

    @cache
    def meet(one: str, other: str) -> bool:
        is_local = one.startswith("/") and other.startswith("/")
        return one == other or (is_local and not files(one).isdisjoint(files(other)))

    for one, other in pairs:
        if one.tenant_id == other.tenant_id or not meet(one.source, other.source):
            continue
        if all(_share_a_charge(a, b) for a, b in product(one.filters, other.filters)):
            yield one, other


def _share_a_charge(one: Export, other: Export) -> bool:
    """Whether both filters can select one row of the export; an empty filter selects all."""

    def meet(these: tuple[str, ...], those: tuple[str, ...]) -> bool:
        return not these or not those or bool(set(these) & set(those))

    return meet(one.billing_accounts, other.billing_accounts) and (
        (one.has_unallocated and other.has_unallocated) or meet(one.projects, other.projects)
    )


def is_filtered(named: list[Export]) -> bool:
    return bool(named[0].billing_accounts or named[0].projects)


def shared_refusal(tenant_id: str, named: list[Export], others: list[str]) -> UsageProblem:
    return UsageProblem(
        f"The export {named[0].ref} is also read by tenant {', '.join(others)}: limit {tenant_id}"
        " to its own charges with --billing-account (and --project)."
    )
