"""The bodies that the service takes and gives, as /openapi.json describes them."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner import names
from runner.errors import UsageProblem
from runner.orchestration import threads

Status = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "REFUSED"]
RUN_ID = "7f0c9d2e-4b0a-4f6e-9a51-2f8a6f0f3f11"


def _checked(check: Callable[[str], object]) -> BeforeValidator:
    """A text that one of the runner's own checks takes; its words for what it does not."""

    def validate(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError("write a text.")
        try:
            return check(names.line(value))
        except UsageProblem as problem:
            raise ValueError(problem.message) from None

    return BeforeValidator(validate)


DAY_FORMAT = {"format": "date", "examples": ["2024-11-01"]}
UsageDate = Annotated[date, _checked(names.usage_date)]
# May stand in a log, a table and a mail.
Line = Annotated[str, Field(max_length=200), _checked(names.line)]


class Body(BaseModel):
    """What is not named here is refused: it would be a mistake, or somebody's try."""

    model_config = ConfigDict(extra="forbid")


class Trigger(Body):
    """Which usage dates (UTC): either `date`, or `from_date` and `to_date`, both included."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"date": "2024-11-01", "trigger_by": "docker_test"},
                {"from_date": "2024-11-01", "to_date": "2024-11-30", "trigger_by": "backfill"},
            ]
        },
    )

    date: UsageDate | None = None
    from_date: UsageDate | None = None
    to_date: UsageDate | None = None
    trigger_by: Line = Field(default="api", min_length=1, description="Who or what asks.")

    @model_validator(mode="after")
    def _dates(self) -> Self:
        first, last = self.span_or_none()
        if first is None or last is None:
            raise ValueError("name the dates: either date, or from_date and to_date.")
        if first > last:
            raise ValueError(f"from_date {first} is after to_date {last}: swap them.")
        if (last - first).days >= threads.CHUNK_DAYS:
            raise ValueError(
                f"one run takes at most {threads.CHUNK_DAYS} dates: send a longer range in parts."
            )
        return self

    def span_or_none(self) -> "tuple[Any, Any]":
        """First and last date, None where they are not named, or named twice."""
        if self.date is not None:
            is_twice = self.from_date is not None or self.to_date is not None
            return (None, None) if is_twice else (self.date, self.date)
        return self.from_date, self.to_date


class Account(Body):
    """The service account as which a tenant's data is read and written: its address, no secret."""

    impersonate: Annotated[str, _checked(names.service_account)] = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"]
    )


class Credentials(BaseModel):
    """The service account of a tenant, null for the service's own, and since when."""

    tenant_id: str = Field(examples=["acme1281"])
    impersonate: str | None = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"],
        description="Its address. On a local (DuckDB) target it is kept and not used.",
    )
    set_at: datetime | None


class Onboarding(Body):
    """A tenant to add, or to bring up to date: what is not named stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tenant_id": "acme",
                    "company_name": "Acme",
                    "admin_email": "finops@acme.example",
                    "subscription_plan": "STARTER",
                    "exports": ["my-project.billing.gcp_billing_export_resource_v1_01ECB7"],
                    "billing_accounts": ["01ECB7-6EE0BA-7357F1"],
                }
            ]
        },
    )

    tenant_id: Annotated[str, _checked(names.tenant_id)]
    admin_email: Annotated[str, _checked(names.email)]
    company_name: Line | None = None
    subscription_plan: Literal["STARTER", "PROFESSIONAL", "SCALE"] | None = None
    exports: list[Annotated[str, Field(min_length=1, max_length=1000), _checked(names.line)]] = (
        Field(min_length=1, max_length=50)
    )
    billing_accounts: list[Annotated[str, _checked(names.billing_account)]] = Field(
        default=[], max_length=1000
    )
    projects: list[Annotated[str, _checked(names.project)]] = Field(default=[], max_length=1000)
    with_unallocated: bool | None = None
    all_accounts: bool = False
    landing: bool = Field(
        default=False, description="Read the export once for others, as `tenant add --landing`."
    )
    create_key: bool | None = Field(
        default=None,
        description="Answer with a new API key of the tenant; by default when it has none.",
    )


class Onboarded(BaseModel):
    """A tenant that is ready. `api_key` is shown this once."""

    tenant_id: str
    status: Literal["ready"]
    messages: list[str]
    api_key: str | None
    api_key_id: str | None


class Accepted(BaseModel):
    """A run that was asked for: new and PENDING, or the one that has these dates already."""

    pipeline_logging_id: str = Field(examples=[RUN_ID])
    pipeline_id: str = Field(examples=["acme1281-gcp-cost-billing"])
    tenant_id: str = Field(examples=["acme1281"])
    status: Status
    message: str = Field(
        examples=[
            "Templated pipeline cost_billing triggered successfully for acme1281 (async mode)"
        ]
    )
    run_date: date
    to_date: date
    deduplicated: bool


class RunProgress(BaseModel):
    """Steps of dbt done and planned; only from the service that has the run at work."""

    done: int
    total: int
    at_work: str


class Run(BaseModel):
    """A run as its record says."""

    pipeline_logging_id: str = Field(examples=[RUN_ID])
    pipeline_id: str
    tenant_id: str
    status: Status
    message: str
    trigger_type: str | None
    trigger_by: str | None
    start_time: datetime | None
    end_time: datetime | None
    duration_ms: int | None
    run_date: date | None
    to_date: date | None
    row_count: int | None
    error_message: str | None
    warnings: list[str]
    progress: RunProgress | None = None


class Publication(BaseModel):
    """A table's dates as the run published them; `net` exact, null where rows do not add up."""

    table: str = Field(examples=["gcp_silver_cost"])
    from_date: date
    to_date: date
    rows: int
    net: dict[str, str] | None
    expectations_passed: int
    read_tables: list[str]
    published_at: datetime


class Publisher(BaseModel):
    """Tables whose rows of some dates are of this run."""

    pipeline_logging_id: str = Field(examples=[RUN_ID])
    tables: list[str]


class PublishedDates(BaseModel):
    """Dates and the runs that published them last; `behind`: tables older than what they read."""

    from_date: date
    to_date: date
    runs: list[Publisher]
    layers_agree: bool
    behind: list[str]


class RunInFull(Run):
    """A run, what it published (null where it died before that was recorded), and what stands."""

    publications: list[Publication] | None = None
    published_dates: list[PublishedDates] = []


class Step(BaseModel):
    """A step of a run: a model built, a test run, a mail sent."""

    step_id: str
    step_name: str | None
    step_type: str | None
    step_index: int | None
    status: str | None
    start_time: datetime | None
    end_time: datetime | None
    duration_ms: int | None
    row_count: int | None
    error_message: str | None
    warnings: list[str]


class FailedExpectation(BaseModel):
    """An expectation that did not hold; `samples` are some failing rows, each as JSON text."""

    expectation: str = Field(examples=["grain"])
    description: str | None = None
    severity: str | None = None
    status: str
    failing_rows: int | None = None
    samples: list[str] = []
    message: str | None = None
    sentence: str


class Quality(BaseModel):
    """What the expectations of one table and severity found in a run."""

    table: str | None
    severity: str | None
    status: str
    expectations_passed: int | None
    expectations_failed: int | None
    failed_rows: int | None
    failed_expectations: list[FailedExpectation]
    message: str | None
    executed_at: datetime | None


class LimitLeft(BaseModel):
    """One limit: used, and when the count begins anew (null: when a run ends)."""

    name: str
    used: int
    limit: int
    remaining: int
    resets_at: datetime | None


class Quota(BaseModel):
    """A tenant's standing and what is left of its limits."""

    tenant_id: str
    tenant_status: str | None
    plan: str | None
    subscription_status: str | None
    limits: list[LimitLeft]


class Cost(BaseModel):
    """What one service cost on one usage date (UTC), in one currency; exact, so as text.

    Of the tables that this is read and made from, the run that published the date longest ago is
    named. `layers_agree` is false while one of them is older than what it reads.
    """

    usage_date: date
    service_id: str | None
    service_description: str | None
    currency: str | None
    charge_rows: int
    gross_cost: str
    credits_total: str
    billed_cost: str
    pipeline_logging_id: str | None = Field(examples=[RUN_ID])
    published_at: datetime | None
    layers_agree: bool | None


class Tenant(BaseModel):
    """A tenant whose key this is; with the admin key every one."""

    tenant_id: str
    company_name: str
    status: str | None
    plan: str | None
    pipeline: str = Field(examples=["gcp/cost/cost_billing"])


class Live(BaseModel):
    """That the process answers."""

    status: Literal["ok"]
    service: str
    version: str


class Health(BaseModel):
    """Whether the service works."""

    status: Literal["ok", "degraded"]
    service: str
    version: str
    environment: str
    target: str
    auth: Literal["keys", "disabled"]
    context: str
    queue_length: int
    runs_active: int


class Error(BaseModel):
    """Every answer that is no success."""

    error: str = Field(examples=["quota_exceeded"])
    message: str = Field(examples=["What is wrong, and what to do."])
    request_id: str = Field(examples=["3f2a9c0d8b7e4f6aa1b2c3d4e5f60718"])
