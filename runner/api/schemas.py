"""The bodies that the service returns, as /openapi.json describes them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from runner.control.runs import Status
from runner.text import money

Amount = Annotated[str, BeforeValidator(money)]
RUN_ID = "7f0c9d2e-4b0a-4f6e-9a51-2f8a6f0f3f11"


class Accepted(BaseModel):
    """A run that was asked for: new and PENDING, or the one that has these dates already."""

    pipeline_logging_id: str = Field(validation_alias="id", examples=[RUN_ID])
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


class Timed(BaseModel):
    """When something began and ended, and with what."""

    start_time: datetime | None
    end_time: datetime | None
    duration_ms: int | None
    row_count: int | None
    error_message: str | None
    warnings: list[str]


class Run(Timed):
    """A run as it is recorded."""

    pipeline_logging_id: str = Field(examples=[RUN_ID])
    pipeline_id: str
    tenant_id: str
    status: Status
    message: str
    trigger_type: str | None
    trigger_by: str | None
    run_date: date | None
    to_date: date | None
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


class Step(Timed):
    """A step of a run: a model built, a test run, a mail sent."""

    step_id: str
    step_name: str | None
    step_type: str | None
    step_index: int | None
    status: str | None


class FailedExpectation(BaseModel):
    """An expectation that did not hold; `samples` are some failing rows, each as JSON text."""

    expectation: str = Field(examples=["grain"])
    description: str | None = None
    severity: str | None = None
    status: str
    failing_rows: int | None = Field(None, validation_alias="rows")
    samples: list[str] = []
    message: str | None = None
    sentence: str


class Quality(BaseModel):
    """What the expectations of one table and severity found in a run."""

    table: str | None = Field(validation_alias="target_table")
    severity: str | None
    status: str = Field(validation_alias="overall_status")
    expectations_passed: int | None
    expectations_failed: int | None
    failed_rows: int | None
    failed_expectations: list[FailedExpectation]
    message: str | None = Field(validation_alias="error_message")
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
    gross_cost: Amount
    credits_total: Amount
    billed_cost: Amount
    pipeline_logging_id: str | None = Field(examples=[RUN_ID])
    published_at: datetime | None
    layers_agree: bool | None


class Tenant(BaseModel):
    """A tenant whose key this is; with the admin key every one."""

    tenant_id: str = Field(validation_alias="id")
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
    warehouse: str
    queue_length: int
    runs_active: int


class Error(BaseModel):
    """Every answer that is no success."""

    error: str = Field(examples=["quota_exceeded"])
    message: str = Field(examples=["What is wrong, and what to do."])
    request_id: str = Field(examples=["3f2a9c0d8b7e4f6aa1b2c3d4e5f60718"])


class Credentials(BaseModel):
    """The service account of a tenant, null for the service's own, and since when."""

    tenant_id: str = Field(examples=["acme1281"])
    impersonate: str | None = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"],
        description="Its address. On a local (DuckDB) target it is kept and not used.",
    )
    set_at: datetime | None


class Onboarded(BaseModel):
    """A tenant that is ready. `api_key` is shown this once."""

    tenant_id: str
    status: Literal["ready"]
    messages: list[str]
    api_key: str | None
    api_key_id: str | None
