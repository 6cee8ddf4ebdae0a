"""The bodies and parameters that the service takes, as /openapi.json describes them."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner import names
from runner.dates import LONGEST_DAYS, DateRange
from runner.errors import UsageProblem


def _checked(check: Callable[[str], object]) -> BeforeValidator:
    """A text that one of the runner's own validators accepts; a refusal has its message."""

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


UsageDate = Annotated[date, _checked(names.usage_date)]
# May stand in a log, a table and a mail.
Line = Annotated[str, Field(max_length=200), _checked(names.line)]


class Body(BaseModel):
    """Fields that are not named here are refused."""

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
    def _has_dates(self) -> Self:
        assert self.dates
        return self

    @property
    def dates(self) -> DateRange:
        """The dates that were sent. Raises ValueError for dates that are missing or too many."""
        is_named_twice = self.date and (self.from_date or self.to_date)
        first, last = self.date or self.from_date, self.date or self.to_date
        if first is None or last is None or is_named_twice:
            raise ValueError("name the dates: either date, or from_date and to_date.")
        if first > last:
            raise ValueError(f"from_date {first} is after to_date {last}: swap them.")
        found = DateRange(first, last)
        if found.days > LONGEST_DAYS:
            raise ValueError(
                f"one run takes at most {LONGEST_DAYS} dates: send a longer range in parts."
            )
        return found


class Account(Body):
    """The service account as which a tenant's data is read and written: its address, no secret."""

    impersonate: Annotated[str, _checked(names.service_account)] = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"]
    )


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
