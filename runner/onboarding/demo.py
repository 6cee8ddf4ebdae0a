"""`runner init`: the profile, and on the local target a sample export and a demo tenant."""

import os
import shutil
from pathlib import Path

from runner.context import Context
from runner.control import tenants
from runner.dataset.session import shut_in
from runner.errors import UsageProblem, WarehouseUnreachable
from runner.onboarding import onboard, records
from runner.settings import Settings

TENANT = "acme1281"
# One account in USD and one in EUR; the sample has more.
BILLING_ACCOUNTS = ("01ECB7-6EE0BA-7357F1", "01EA5E-2C40D9-B81F36")


def prepare(context: Context, sample_rows: int | None) -> list[str]:
    """Create what is missing; returns lines that list what exists, and the next command.

    Raises UsageProblem, WarehouseUnreachable or RunnerError.
    """
    settings = context.settings
    if settings.target({"tenant_id": "none"}).type != "duckdb":
        return ["Next: runner tenant add ID --admin-email E --export project.dataset.table"]
    context.dataset.prepare(TENANT)
    sample = _sample(context, sample_rows)
    lines = [f"sample export   {sample}: usage of 2024-10-01 to 2024-12-31"]
    if TENANT in {tenant.id for tenant in tenants.every(context.store)} and sample_rows is None:
        lines.append(f"tenant          {TENANT} exists and was not changed")
    else:
        spec = records.TenantSpec(
            TENANT,
            "finops@acme.example",
            (str(sample),),
            "Acme Demo Corporation",
            tenants.PLANS["scale"],
            BILLING_ACCOUNTS,
            all_accounts=True,
        )
        onboard.onboard(context, spec)
        lines.append(f"tenant          {TENANT} was added")
    return [*lines, f"Next: runner run --tenant {TENANT} --date 2024-11-01"]


def write_sample(settings: Settings, path: Path, rows: int | None) -> None:
    """Write the sample export, of about `rows` rows, to a Parquet file, atomically."""
    import duckdb

    script = settings.project_dir / "dbt_project" / "sample" / "gcp_billing_export.sql"
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            if rows is not None:
                connection.execute("set variable rows = ?", [rows])
            connection.execute("set variable path = ?", [str(partial)])
            shut_in(connection, [str(path.parent)])
            connection.execute(script.read_text(encoding="utf-8"))
        partial.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise WarehouseUnreachable(
            f"The sample export {path} could not be written ({error}):"
            " check the folder's permissions and the disk's free space, and run it again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def make_profile(settings: Settings) -> str:
    """Create profiles.yml unless it exists; returns a line of text. Raises UsageProblem."""
    path = settings.profiles_path
    if path.exists():
        return f"profile         {path} exists and was not changed"
    example = settings.project_dir / "profiles.yml.example"
    try:
        shutil.copyfile(example, path)
    except OSError as error:
        raise UsageProblem(
            f"{path} could not be written ({error.strerror}): copy {example} there."
        ) from None
    return f"profile         {path} was made from {example.name}"


def _sample(context: Context, rows: int | None) -> Path:
    settings = context.settings
    folder = Path(str(settings.target({"tenant_id": TENANT}).fields["path"])).parent
    path = folder / "sample" / "gcp_billing_export_resource_v1_01ECB7_6EE0BA_7357F1.parquet"
    if rows is not None or not path.exists():
        context.echo("writing the sample export")
        write_sample(settings, path, rows)
    return path
