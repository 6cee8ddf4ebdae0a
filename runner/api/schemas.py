"""The response bodies of the service, as /openapi.json describes them."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from runner.control.runs import Status
from runner.text import money

Amount = Annotated[str, BeforeValidator(money)]
RUN_ID = "7f0c9d2e-4b0a-4f6e-9a51-2f8a6f0f3f11"


class Accepted(BaseModel):
    """The requested run: a new PENDING run, or the active run that has these dates already."""

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
    """Steps of dbt done and planned; only from the service that builds the run."""

    done: int
    total: int
    at_work: str


class Timed(BaseModel):
    """The times and the result of a run or a step."""

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
    """The dates of a table that the run published; `net` exact, null if rows do not add up."""

    table: str = Field(examples=["gcp_silver_cost"])
    from_date: date
    to_date: date
    rows: int
    net: dict[str, str] | None
    expectations_passed: int
    read_tables: list[str]
    published_at: datetime


class Publisher(BaseModel):
    """A run and the tables whose rows it published."""

    pipeline_logging_id: str = Field(examples=[RUN_ID])
    tables: list[str]


class PublishedDates(BaseModel):
    """Dates and the runs that published them last; `behind`: tables older than their inputs."""

    from_date: date
    to_date: date
    runs: list[Publisher]
    layers_agree: bool
    behind: list[str]


class RunInFull(Run):
    """A run, what it published (null if it died before), and what is published now."""

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
    """A failed expectation; `samples` are some failing rows, each as JSON text."""

    expectation: str = Field(examples=["grain"])
    description: str | None = None
    severity: str | None = None
    status: str
    failing_rows: int | None = Field(None, validation_alias="rows")
    samples: list[str] = []
    message: str | None = None
    sentence: str


class Quality(BaseModel):
    """The data-quality results of one table and severity in a run."""

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
    """One limit, the runs used of it, and when the count resets (null: when a run ends)."""

    name: str
    used: int
    limit: int
    remaining: int
    resets_at: datetime | None


class Quota(BaseModel):
    """A tenant's status, and what is left of its limits."""

    tenant_id: str
    tenant_status: str | None
    plan: str | None
    subscription_status: str | None
    limits: list[LimitLeft]


class Cost(BaseModel):
    """The cost of one service on one usage date (UTC), in one currency; exact, as text.

    `pipeline_logging_id` and `published_at` are of the oldest publication of the date, among the
    tables that the cost comes from. `layers_agree` is false while one of these tables is older
    than a table that it reads.
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
    """A tenant that the key gives access to."""

    tenant_id: str = Field(validation_alias="id")
    company_name: str
    status: str | None
    plan: str | None
    pipeline: str = Field(examples=["gcp/cost/cost_billing"])


class Live(BaseModel):
    """The answer of a live process."""

    status: Literal["ok"]
    service: str
    version: str


class Health(BaseModel):
    """Whether the service can reach the warehouse, and its queue."""

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
    """The body of every error."""

    error: str = Field(examples=["quota_exceeded"])
    message: str = Field(examples=["What is wrong, and what to do."])
    request_id: str = Field(examples=["3f2a9c0d8b7e4f6aa1b2c3d4e5f60718"])


class Credentials(BaseModel):
    """The service account of a tenant, null for the service's own, and when it was set."""

    tenant_id: str = Field(examples=["acme1281"])
    impersonate: str | None = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"],
        description="Its address. On a local (DuckDB) target it is stored but not used.",
    )
    set_at: datetime | None


class Onboarded(BaseModel):
    """A tenant that is ready. `api_key` cannot be read again."""

    tenant_id: str
    status: Literal["ready"]
    messages: list[str]
    api_key: str | None
    api_key_id: str | None
