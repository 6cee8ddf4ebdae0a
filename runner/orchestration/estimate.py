"""What a run would read and cost, before anything is claimed or written."""

from dataclasses import dataclass
from decimal import Decimal

from runner.context import Context
from runner.dates import DateRange
from runner.engine.job import Event, Job
from runner.errors import RunnerError, WarehouseProblem
from runner.pipelines.templates import Template

TIB = 2**40


@dataclass(frozen=True)
class ModelEstimate:
    """The least bytes that would be billed for the query of one model or test.

    None when the engine does not know (see `why`).
    """

    model: str
    bytes_billed: int | None
    why: str = ""


@dataclass(frozen=True)
class Estimate:
    """What a run would do: which dates it would replace in which tables, in dbt's order.

    `tests`: how many tests it would run. `models`: what its queries would read. Then the price of a
    TiB in dollars, and the cap per query in bytes.
    """

    tenant_id: str
    dates: DateRange
    template: str
    tables: tuple[str, ...]
    tests: int
    models: tuple[ModelEstimate, ...]
    dollars_per_tib: Decimal
    maximum_bytes_billed: int | None

    @property
    def bytes_billed(self) -> int:
        return sum(one.bytes_billed or 0 for one in self.models)

    @property
    def dollars(self) -> Decimal:
        return (self.dollars_per_tib * self.bytes_billed / TIB).quantize(Decimal("0.0001"))

    @property
    def over_the_cap(self) -> tuple[ModelEstimate, ...]:
        cap = self.maximum_bytes_billed or TIB**2
        return tuple(one for one in self.models if (one.bytes_billed or 0) > cap)


def of(context: Context, tenant_id: str, template: Template, dates: DateRange) -> Estimate:
    """Compile the run's models for these dates, and dry-run their queries. Nothing is written.

    BigQuery cannot estimate a complete script, so its queries are estimated one by one: that of
    the model, and those of its proofs, which read the same bytes when compiled as tests.
    Raises RunnerError when dbt cannot compile.
    """
    settings, dataset = context.settings, context.dataset
    with context.pool.lend() as worker:
        context.on_event(Event("waiting", name="compiling the models"))
        outcome = worker.run(
            Job(
                tenant_id=tenant_id,
                log_path=settings.log_dir / "tenants" / tenant_id,
                command=("compile", "--selector", template.step.selector.removesuffix("_run")),
                vars={"from_date": str(dates.first), "to_date": str(dates.last)},
                account=dataset.account_of(tenant_id),
            )
        )
    if not outcome.success:
        raise RunnerError(f"The models could not be compiled: {outcome.error}")
    models = []
    selected = [node for node in outcome.nodes if not node.name.startswith("x_meta_")]
    for node in selected:
        # A view is read by its readers.
        code = node.compiled_code or ""
        is_query = node.type == "test" or (node.type == "model" and node.materialized != "view")
        if not is_query or not code:
            continue
        try:
            models.append(ModelEstimate(node.name, dataset.bytes_billed(tenant_id, code)))
        except WarehouseProblem as error:
            # A model whose input is made by the first run cannot be estimated before it.
            unmade = type(error.__cause__).__name__ == "NotFound"
            why = "known after the first run, which makes its input" if unmade else error.message
            models.append(ModelEstimate(node.name, None, why))
    cap = settings.target({"tenant_id": tenant_id}).fields.get("maximum_bytes_billed")
    return Estimate(
        tenant_id,
        dates,
        template.name,
        tuple(one.name for one in selected if one.materialized == "incremental"),
        sum(node.type == "test" for node in selected),
        tuple(models),
        Decimal(settings.environ.get("BIGQUERY_DOLLARS_PER_TIB") or "6.25"),
        int(cap) if cap else None,
    )
