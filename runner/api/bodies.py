"""The request bodies and parameters of the service, as /openapi.json describes them."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from runner import names
from runner.dates import LONGEST_DAYS, DateRange
from runner.errors import UsageProblem


def _checked(check: Callable[[str], object]) -> BeforeValidator:
    """Validates a text by one of the runner's validators, with its message."""

    def validate(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError("send a string.")
        try:
            return check(names.line(value))
        except UsageProblem as problem:
            raise ValueError(problem.message) from None

    return BeforeValidator(validate)


UsageDate = Annotated[date, _checked(names.usage_date)]
# One line without control characters, safe in logs, tables and mails.
Line = Annotated[str, Field(max_length=200), _checked(names.line)]


class Body(BaseModel):
    """A body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


def _examples(*bodies: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [*bodies]})


class Trigger(Body):
    """The usage dates (UTC): either `date`, or `from_date` and `to_date`, both included."""

    model_config = _examples(
        {"date": "2024-11-01", "trigger_by": "docker_test"},
        {"from_date": "2024-11-01", "to_date": "2024-11-30", "trigger_by": "backfill"},
    )

    date: UsageDate | None = None
    from_date: UsageDate | None = None
    to_date: UsageDate | None = None
    trigger_by: Line = Field(default="api", min_length=1, description="The person or program.")

    @model_validator(mode="after")
    def _has_dates(self) -> Self:
        assert self.dates
        return self

    @property
    def dates(self) -> DateRange:
        """The dates in the body. Raises ValueError when they are missing or too many."""
        is_named_twice = self.date and (self.from_date or self.to_date)
        first, last = self.date or self.from_date, self.date or self.to_date
        if first is None or last is None or is_named_twice:
            raise ValueError("send either date, or from_date and to_date.")
        if first > last:
            raise ValueError(f"from_date {first} is after to_date {last}: swap them.")
        found = DateRange(first, last)
        if found.days > LONGEST_DAYS:
            raise ValueError(
                f"a run has at most {LONGEST_DAYS} dates: send a longer range in parts."
            )
        return found


class Account(Body):
    """The address of the service account that reads and writes a tenant's data."""

    impersonate: Annotated[str, _checked(names.service_account)] = Field(
        examples=["acme-billing@my-project.iam.gserviceaccount.com"]
    )


class Onboarding(Body):
    """A tenant to add or to update; fields that are not sent keep their values."""

    model_config = _examples(
        {
            "tenant_id": "acme",
            "company_name": "Acme",
            "admin_email": "finops@acme.example",
            "subscription_plan": "STARTER",
            "exports": ["my-project.billing.gcp_billing_export_resource_v1_01ECB7"],
            "billing_accounts": ["01ECB7-6EE0BA-7357F1"],
        }
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
        default=False, description="Load the export for other tenants, as `tenant add --landing`."
    )
    create_key: bool | None = Field(
        default=None, description="Return a new API key of the tenant; by default if it has none."
    )
