"""The comparison of a tenant's exports with what was loaded from them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from runner.dataset.dataset import Dataset
from runner.dates import ALL, DAY, DateRange, midnight
from runner.orchestration import catch_up_sql as sql
from runner.sql import Row


@dataclass(frozen=True)
class Comparison:
    """`bill`: the loaded table, empty if it does not exist yet. `since`: the oldest partition to
    compare, None for all. `refs`: the ids of the exports from which rows may have been loaded."""

    dataset: Dataset
    tenant: str
    bill: str
    since: date | None
    refs: Collection[str]

    def loaded_dates(self, also: Collection[date]) -> DateRange:
        """The dates whose loaded rows are compared, and `also` these."""
        since = self.since or ALL.first
        statement = sql.FIRST_EXPORTED_DATE.format(tenant=self.tenant)
        (row,) = self.dataset.read(self.tenant, statement, since=midnight(since))
        return DateRange(min(filter(None, [row["first_date"], since - DAY, *also])), ALL.last)

    def rows(self, loaded: DateRange, exported: DateRange, oldest: date | None = None) -> list[Row]:
        """A row for each usage date that has loaded or exported rows, see MOVED_SINCE_LOADED.

        `oldest`: the oldest partition to read, if older than those that are compared.
        """
        statement = {
            "billing_cost_daily": sql.MOVED_SINCE_LOADED,
            "export_landing": sql.MOVED_SINCE_LANDED,
            "": sql.NEVER_LOADED,
        }[self.bill]
        return self.dataset.read(
            self.tenant,
            statement.format(tenant=self.tenant),
            since=midnight(oldest or self.since or ALL.first),
            from_time=midnight(exported.first),
            before_time=midnight(exported.last + DAY),
            first_date=loaded.first,
            last_date=loaded.last,
            loaded_from_time=midnight(loaded.first),
            loaded_end_time=midnight(loaded.last + DAY),
            partitions_from=self.since or ALL.first,
            prunes_exports=self.dataset.prunes_exports,
            exports=" ".join(sorted(self.refs)),
        )
