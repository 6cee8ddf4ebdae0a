"""What the benchmarks work on: exports of any size, warehouses with any number of tenants."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent.parent
# The commit that issue 17 measures against, checked out by `make bench`.
BEFORE = ROOT / "target" / "88b007c"
FIRST = "2024-01-01"
ACCOUNT = "01ECB7-6EE0BA-7357F1"
# Google's detailed export as it is queried, its nested columns among them; prices in binary
# fractions, as Google's float is exact for them.
ROWS = """
copy (
    select
        printf('%06d-AAAAAA-BBBBBB', n % $tenants) as billing_account_id,
        {'id': 's' || n % 11, 'description': 'Service ' || n % 11} as service,
        {'id': 'k' || n % 97, 'description': 'SKU ' || n % 97} as sku,
        timestamptz '@first 00:00:00+00' + to_days((n % $days)::integer)
            + to_hours((n // $days % 24)::integer) as usage_start_time,
        usage_start_time + interval 1 hour as usage_end_time,
        {
            'id': 'project-' || n % 23, 'number': (n % 23)::varchar, 'name': 'Project ' || n % 23,
            'labels': [{'key': 'env', 'value': 'prod'}],
            'ancestors': [{'resource_name': 'folders/1', 'display_name': 'all'}]
        } as project,
        [{'key': 'team', 'value': 't' || n % 13}, {'key': 'app', 'value': 'a' || n % 31}] as labels,
        [{'key': 'compute.googleapis.com/cores', 'value': '4'}] as system_labels,
        {'location': 'us-central1', 'country': 'US', 'region': 'us-central1', 'zone': null::varchar}
            as location,
        {'name': 'vm-' || n % 501, 'global_name': '//compute/vm-' || n % 501} as resource,
        usage_end_time + interval 3 hour as export_time,
        ((n * 7919) % 4096 / 1024)::double as cost,
        'USD' as currency,
        1::double as currency_conversion_rate,
        {
            'amount': 3600.0, 'unit': 'seconds', 'amount_in_pricing_units': 1.0,
            'pricing_unit': 'hour'
        } as usage,
        case when n % 3 = 0
            then [{
                'name': 'Sustained', 'amount': -0.0625::double, 'type': 'SUSTAINED_USAGE_DISCOUNT',
                'id': 'c1', 'full_name': 'Sustained use discount'
            }]
            else []
        end as credits,
        {'month': strftime(usage_start_time, '%Y%m')} as invoice,
        'regular' as cost_type,
        date_trunc('day', usage_end_time) as _PARTITIONTIME
    from range(0, $rows) as charges (n)
    order by usage_start_time
) to '@path' (format parquet, row_group_size 100000)
"""


@dataclass(frozen=True)
class Shop:
    """A folder with a warehouse, and the commands on it, of the project in `root`."""

    folder: Path
    root: Path = ROOT

    @property
    def environ(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
            "WAREHOUSE_DIR": str(self.folder / "warehouse"),
            "DBT_PROFILES_DIR": str(self.folder),
            "RUNNER_PROJECT_DIR": str(self.root),
            "PYTHONPATH": str(self.root),
            "RUNNER_LOG_DIR": str(self.folder / "logs"),
            "RUNNER_TARGET_DIR": str(self.folder / "target"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONDONTWRITEBYTECODE": "",
        }

    def runner(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, that must succeed."""
        return self.call(sys.executable, "-m", "runner", *args, **environ)

    def call(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environ, **environ},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(
                f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done

    def export(self, rows: int, days: int = 1, tenants: int = 1, name: str = "export") -> Path:
        """So many charges over so many days and billing accounts, as Parquet."""
        path = self.folder / f"{name}.parquet"
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            text = ROWS.replace("@path", str(path)).replace("@first", FIRST)
            connection.execute(text, {"rows": rows, "days": days, "tenants": tenants})
        return path

    def add(self, tenant: str, export: Path, account: int | None = None) -> None:
        """A tenant of the complete export, or of one of its accounts."""
        of = () if account is None else ("--billing-account", f"{account:06d}-AAAAAA-BBBBBB")
        self.runner(
            *("tenant", "add", tenant, "--admin-email", "bench@example.com", "--plan", "scale"),
            *("--export", str(export), *of),
        )
        self.runner(
            "tenant", "update", tenant, "--daily-limit", "100000", "--monthly-limit", "1000000"
        )


def a_shop(folder: Path, root: Path = ROOT) -> Shop:
    """An empty warehouse in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "profiles.yml.example", folder / "profiles.yml")
    return Shop(folder, root)
