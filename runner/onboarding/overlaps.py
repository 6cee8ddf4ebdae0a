"""Charges that would be billed to two tenants."""

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


def also_billed_to(store: Store, tenant_id: str, named: list[Export]) -> list[str]:
    """The other tenants to which some charge of these exports is billed as well.

    A parent company may want that; anybody else forgot a filter, and must be told.
    """
    everyones = _everyones_exports(store) if store.exists() else []
    return billed_as_well(tenant_id, named, everyones)


def billed_as_well(tenant_id: str, named: list[Export], everyones: list[Row]) -> list[str]:
    """The other tenants that share a charge with a tenant that has these exports."""
    landings = _landings(everyones)
    mine = _bills([(tenant_id, export) for export in named], landings)
    others = [bill for bill in _bills(_billed(everyones), landings) if bill.tenant_id != tenant_id]
    return sorted({other.tenant_id for _, other in _shared_bills(product(mine, others))})


def overlaps(store: Store) -> list[tuple[str, str, str]]:
    """The pairs of tenants that are billed for the same charges, and an export of the first."""
    everyones = _everyones_exports(store)
    pairs = combinations(_bills(_billed(everyones), _landings(everyones)), 2)
    found: dict[tuple[str, str], str] = {}
    for one, other in _shared_bills(pairs):
        found.setdefault((one.tenant_id, other.tenant_id), one.ref)
    return [(*both, ref) for both, ref in found.items()]


def _everyones_exports(store: Store) -> list[Row]:
    if store.columns("tenants").get("tenant_profiles", set()) >= {"default_pipeline", "status"}:
        return store.read(sql.ALL_EXPORTS, landing=templates.LANDING)
    return store.read(sql.ALL_EXPORTS_ALONE)


@dataclass(frozen=True)
class _Bill:
    """That a tenant is billed for the rows of a file or table which both filters let through."""

    tenant_id: str
    ref: str
    filters: tuple[Export, Export]

    @property
    def source(self) -> str:
        return self.filters[0].ref


def _landings(everyones: list[Row]) -> dict[str, list[Export]]:
    found: dict[str, list[Export]] = {}
    for row in everyones:
        if row["is_landing"] and tenants.is_complete([row]):
            found.setdefault(row["tenant_id"], []).append(tenants.export_of_row(row))
    return found


def _billed(everyones: list[Row]) -> list[tuple[str, Export]]:
    """Every export that somebody is billed for: a landing bills nobody."""
    billed = [row for row in everyones if tenants.is_complete([row]) and not row["is_landing"]]
    return [(row["tenant_id"], tenants.export_of_row(row)) for row in billed]


def _bills(exports: list[tuple[str, Export]], landings: dict[str, list[Export]]) -> list[_Bill]:
    """From what each is read in the end: of a landing, from the landing's own exports."""
    found = []
    for tenant_id, export in exports:
        landed = landings.get(tenants.landing_of(export.ref) or "", [])
        filters = [(one, export) for one in landed] or [(export, export)]
        found += [_Bill(tenant_id, export.ref, both) for both in filters]
    return found


def _shared_bills(pairs: Iterable[tuple[_Bill, _Bill]]) -> Iterator[tuple[_Bill, _Bill]]:
    """The pairs of two tenants that share a charge; a pattern or a link stands for its files."""
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
    """Whether a row of the export could be both tenants'; an empty filter takes all."""

    def meet(these: tuple[str, ...], those: tuple[str, ...]) -> bool:
        return not these or not those or bool(set(these) & set(those))

    if not meet(one.billing_accounts, other.billing_accounts):
        return False
    if one.has_unallocated and other.has_unallocated:
        return True
    return meet(one.projects, other.projects)


def is_filtered(named: list[Export]) -> bool:
    return bool(named[0].billing_accounts or named[0].projects)


def shared_refusal(tenant_id: str, named: list[Export], others: list[str]) -> UsageProblem:
    return UsageProblem(
        f"The export {named[0].ref} is shared with tenant {', '.join(others)}: name what is"
        f" {tenant_id}'s with --billing-account (and --project)."
    )
