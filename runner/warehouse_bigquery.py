"""The control tables on BigQuery: bound parameters, one script per transaction, bounded retries."""

import functools
import random
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from runner import refusals
from runner.control import tenants_sql
from runner.dataset import data_sql
from runner.dataset.duckdb import Look
from runner.errors import (
    AccountRefused,
    StatementRefused,
    UsageProblem,
    WarehouseProblem,
    WarehouseUnreachable,
)
from runner.settings import Target
from runner.sql import Row, Value, When, by_table

if TYPE_CHECKING:
    from google.cloud import bigquery

Answer = TypeVar("Answer")

# No call waits longer than this for BigQuery; a control statement takes a second or two.
TIMEOUT_SECONDS = 120.0
ATTEMPTS = 8
# Of ten that claim at once one is not cancelled, and the others ask again: some of them ten times.
ATTEMPTS_TO_COMMIT = 20
LONGEST_DOUBLING = 3
# A network that is down is told at once; a connection that broke is made again.
ATTEMPTS_TO_CONNECT = 3
# BigQuery answers these with 403, and means: later.
NOT_NOW = {"rateLimitExceeded", "jobRateLimitExceeded", "backendError"}
# How BigQuery speaks of a column that is missing.
LACKING = re.compile(r"Unrecognized name|Name \S+ not found|Column \S+ is not present")
# What BigQuery refuses with 403 though no role is wanting, and what helps; {0} is the project.
NO_GRANT_HELPS = (
    (
        "has not been used in project|API is disabled|it is disabled",
        "run `gcloud services enable bigquery.googleapis.com --project={0}`",
    ),
    (
        "[Bb]illing has not been enabled|free tier|sandbox",
        "run `gcloud billing projects link {0} --billing-account=ID`",
    ),
    (
        "[Qq]uota exceeded|exceeded .*quota",
        "wait until it resets, or raise it; it is listed by `gcloud alpha services quota list"
        " --service=bigquery.googleapis.com --consumer=projects/{0}`",
    ),
    (
        "organization's policy|VPC Service Controls",
        "ask the administrator of your organization, and name the identifier in the message",
    ),
)
# A tenant's account is looked up again after so long; of so many at once the client is kept.
ACCOUNT_SECONDS = 30.0
CLIENTS = 32
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
APP = "gcp_tenant_cost"
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
ROLES = {
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.jobs.list": "roles/bigquery.user",
    "bigquery.datasets.create": "roles/bigquery.user",
}


class BigQueryWarehouse:
    """Control tables and data in the target's project; one dataset per tenant."""

    # A look is a query: often enough for a cancel, seldom enough for the bill.
    seconds_between_looks = 15.0
    has_one_writer = False
    prunes_exports = True

    def __init__(self, target: Target, environ: Mapping[str, str]) -> None:
        self._fields = target.fields
        self._environ = environ
        # By account; empty is the process's own, which alone touches control tables.
        self._client_as = functools.lru_cache(CLIENTS)(self._connect)
        self._accounts: dict[str, tuple[float, str]] = {}

    def hurry(self) -> None: ...

    def read(self, sql: str, **values: Value) -> list[Row]:
        return self._query(sql, values)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        return self.write_in_turn(dict, *statements, **values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        return self._transaction("", when, statements, values)

    def _transaction(
        self, account: str, when: When, statements: Sequence[str], values: Mapping[str, Value]
    ) -> list[Row]:
        script = ";\n".join(statement.strip() for statement in statements)
        queries = statements[-1].lstrip().lower().startswith("select")
        if len(statements) == 1 and not queries:
            # By itself it waits for others that change the table; a transaction would be cancelled.
            return self._query(script, values, when, account)
        body, last = script.rsplit(";\n", 1) if queries else (script, "select 1 as done")
        # The last statement's rows are the script's: a query is asked after the commit too.
        rows = self._query(
            f"begin transaction;\n{body};\ncommit transaction;\n{last};",
            values,
            when,
            account,
        )
        return rows if queries else []

    def account_of(self, tenant: str) -> str:
        until, account = self._accounts.get(tenant, (0.0, ""))
        if until <= time.monotonic():
            account = self._account_set(tenant)
            self._accounts[tenant] = (time.monotonic() + ACCOUNT_SECONDS, account)
        if account:
            self._client_as(account)
        return account

    def _account_set(self, tenant: str) -> str:
        # Before the first tenant is added there is no table of them.
        rows = self.read(tenants_sql.PROFILE, tenant_id=tenant) if self.exists() else []
        return next((row.get("service_account") or "" for row in rows), "")

    def read_data(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return self._query(sql, values, account=self.account_of(tenant))

    def write_data(self, tenant: str, *statements: str, **values: Value) -> None:
        self._transaction(self.account_of(tenant), dict, statements, values)

    def alone_with(
        self, tenant: str, look: Look = lambda told: None
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        config = _config(sql, values, dry_run=True, use_query_cache=False)
        account = self.account_of(tenant)
        return self._call(
            lambda: int(
                self._client_as(account)
                .query(sql, job_config=config, retry=None, timeout=TIMEOUT_SECONDS)
                .total_bytes_processed
            ),
            account,
        )

    def look_at_export(self, tenant: str, ref: str) -> None:
        from google.api_core.exceptions import NotFound

        account = self.account_of(tenant)

        def get() -> str:
            client = self._client_as(account)
            table = client.get_table(ref, retry=None, timeout=TIMEOUT_SECONDS)
            return str(table.location or "")

        try:
            location = self._call(get, account)
        except StatementRefused as refused:
            if not isinstance(refused.__cause__, NotFound):
                raise
            raise UsageProblem(f"The export {ref} was not found: check its name.") from refused
        self._must_be_here(ref, location)
        self.bytes_read(tenant, data_sql.PROBE_EXPORT.format(table=ref))

    def check_exports(self, tenant: str) -> None:
        """A table has no files."""

    def prepare(self, tenant: str) -> None:
        from google.cloud import bigquery

        def make(name: str) -> bigquery.Dataset:
            dataset = bigquery.Dataset(f"{self._client.project}.{name}")
            dataset.location = self._fields.get("location")
            dataset.labels = {"app": APP, "dataset": name}
            return self._client.create_dataset(
                dataset, exists_ok=True, retry=None, timeout=TIMEOUT_SECONDS
            )

        for name in ("tenants", tenant):
            found = self._call(functools.partial(make, name))
            self._must_be_here(name, str(found.location or ""))
            self._must_be_ours(name, found)

    def prepare_landing(self, tenant: str) -> None:
        """Nothing: its table is read where it is."""

    def _must_be_here(self, what: str, location: str) -> None:
        """Raises UsageProblem for data elsewhere than our jobs: BigQuery does not reach it."""
        ours = str(self._fields.get("location") or "US")
        if location and location.lower() != ours.lower():
            raise UsageProblem(
                f"{what} is in {location}, and the target's jobs run in {ours}: set"
                f" BIGQUERY_LOCATION={location}, for a dataset cannot be moved."
            )

    def _must_be_ours(self, name: str, dataset: Any) -> None:
        """Raises UsageProblem for a dataset that another has made: it could be removed with us."""
        if dataset.labels.get("app") != APP or dataset.labels.get("dataset") != name:
            raise UsageProblem(
                f"The dataset {self._client.project}.{name} is there already and not ours: choose"
                f" another tenant id, or hand it over with `bq update --set_label app:{APP}"
                f" --set_label dataset:{name} {self._client.project}:{name}`."
            )

    def exists(self) -> bool:
        return self._has("tenants.tenant_profiles")

    def _has(self, table: str, account: str = "") -> bool:
        """Whether there is such a table: asked without a job, so it costs nothing."""
        from google.api_core.exceptions import NotFound

        def get() -> bool:
            client = self._client_as(account)
            try:
                client.get_table(table, retry=None, timeout=TIMEOUT_SECONDS)
            except NotFound:
                return False
            return True

        return self._call(get, account)

    def columns(self, dataset: str, data: bool = False) -> dict[str, set[str]]:
        from google.api_core.exceptions import NotFound

        account = self.account_of(dataset) if data else ""
        statement = data_sql.COLUMNS_BIGQUERY.format(dataset=dataset)
        try:
            return by_table(self._query(statement, {}, account=account))
        except StatementRefused as error:
            if isinstance(error.__cause__, NotFound):
                return {}
            raise

    def has_table(self, tenant: str, table: str) -> bool:
        return self._has(f"{tenant}.{table}", self.account_of(tenant))

    def drop_data(self, tenant: str) -> None:
        """Nothing by itself: data and control tables share the tenant's dataset."""

    def drop_control(self, tenant: str) -> None:
        from google.api_core.exceptions import NotFound

        def drop() -> None:
            try:
                found = self._client.get_dataset(tenant, retry=None, timeout=TIMEOUT_SECONDS)
            except NotFound:
                return
            self._must_be_ours(tenant, found)
            self._client.delete_dataset(
                tenant,
                delete_contents=True,
                not_found_ok=True,
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )

        self._call(drop)

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        # The tenant's own account may not read the central tables.
        is_central = len(tenants) != 1 or re.search(r"\btenants\b", sql)
        account = "" if is_central else self.account_of(tenants[0])
        default = f"{self._client_as(account).project}.{tenants[0]}" if tenants else None
        limit = int(self._fields.get("maximum_bytes_billed") or 0) or None

        def ask() -> tuple[list[str], list[tuple[Any, ...]]]:
            from google.cloud import bigquery

            client = self._client_as(account)
            dry_run = bigquery.QueryJobConfig(dry_run=True, default_dataset=default)
            tried = client.query(sql, dry_run, timeout=TIMEOUT_SECONDS)
            if tried.statement_type != "SELECT":
                raise UsageProblem("A query is one SELECT: nothing else is run here.")
            config = bigquery.QueryJobConfig(
                maximum_bytes_billed=limit, default_dataset=default, labels={"app": APP}
            )
            job = client.query(sql, config, timeout=TIMEOUT_SECONDS)
            try:
                rows = job.result(timeout=TIMEOUT_SECONDS)
            except TimeoutError:
                job.cancel(timeout=TIMEOUT_SECONDS)
                raise UsageProblem(
                    f"The query took over {TIMEOUT_SECONDS:.0f} s and was cancelled: let it read"
                    " less."
                ) from None
            return [field.name for field in rows.schema], [tuple(row.values()) for row in rows]

        return self._call(ask, account)

    def complete_control(self, tenant: str) -> bool:
        return False  # dbt does, see models/control

    @property
    def _client(self) -> "bigquery.Client":
        return self._client_as("")

    def _connect(self, account: str) -> "bigquery.Client":
        """A client that acts as the account, or as the process itself where that is empty."""
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.cloud import bigquery

        emulator = self._environ.get("BIGQUERY_EMULATOR_HOST", "")
        common = {"project": self._fields["project"], "location": self._fields.get("location")}
        # Where dbt's profile sends it, so that both clients talk to one place.
        url = str(self._fields.get("api_endpoint") or "")
        if url:
            common["client_options"] = ClientOptions(api_endpoint=url)
        try:
            if emulator:
                return bigquery.Client(**common, credentials=AnonymousCredentials())
            found = self._credentials(account)
            if account:
                # Here, where the refusal can be told from one of a statement.
                found.refresh(Request())
            return bigquery.Client(**common, credentials=found)
        except (GoogleAuthError, OSError, ValueError) as error:
            if refusals.REFUSED in str(error):
                raise AccountRefused(refusals.refusal(account, str(error))) from error
            raise WarehouseUnreachable(
                f"BigQuery credentials cannot be used ({error}): run"
                " `gcloud auth application-default login`, or set BIGQUERY_METHOD and"
                " GOOGLE_APPLICATION_CREDENTIALS."
            ) from error

    def _credentials(self, account: str) -> Any:
        """A key file's, else the machine's own; acting as the account, else as the profile says."""
        import google.auth
        from google.auth import impersonated_credentials

        if self._fields.get("method") == "service-account":
            found, _ = google.auth.load_credentials_from_file(
                str(self._fields["keyfile"]), scopes=SCOPES
            )
        else:
            found, _ = google.auth.default(scopes=SCOPES)
        principal = account or self._fields.get("impersonate_service_account")
        if not principal:
            return found
        return impersonated_credentials.Credentials(
            source_credentials=found, target_principal=principal, target_scopes=SCOPES
        )

    def _query(
        self, sql: str, values: Mapping[str, Value], when: When = dict, account: str = ""
    ) -> list[Row]:
        from google.api_core import exceptions

        client = self._client_as(account)
        # The id stays until its job has failed: a request that is sent again, because its
        # answer was lost, meets the job it made the first time.
        job_id = f"runner-{uuid.uuid4()}"

        def ask() -> list[Row]:
            nonlocal job_id
            # Of this attempt: a transaction that lost its turn is of a later moment.
            bound = {**values, **when()}
            config = _config(sql, bound)
            try:
                job = client.query(
                    sql,
                    job_config=config,
                    job_id=job_id,
                    job_retry=None,
                    retry=None,
                    timeout=TIMEOUT_SECONDS,
                )
            except exceptions.Conflict:
                job = client.get_job(job_id, retry=None, timeout=TIMEOUT_SECONDS)
            try:
                rows = job.result(timeout=TIMEOUT_SECONDS, job_retry=None)
            except exceptions.GoogleAPICallError:
                if job.error_result:
                    job_id = f"runner-{uuid.uuid4()}"
                raise
            return [dict(row.items()) for row in rows]

        return self._call(ask, account)

    def _call(self, ask: Callable[[], Answer], account: str = "") -> Answer:
        """Ask, and again with growing pauses when BigQuery says that it may go next time."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        for attempt in range(1, ATTEMPTS_TO_COMMIT + 1):
            doublings = attempt
            try:
                return ask()
            except exceptions.GoogleAPICallError as error:
                attempts = ATTEMPTS_TO_COMMIT if _was_cancelled(error) else ATTEMPTS
                if not _may_go_next_time(error) or attempt >= attempts:
                    raise _problem(error, self._fields["project"], account) from error
                if _was_cancelled(error):
                    doublings = min(attempt, LONGEST_DOUBLING)
            except GoogleAuthError as error:
                acts_as = account or self._fields.get("impersonate_service_account")
                if acts_as and refusals.REFUSED in str(error):
                    raise AccountRefused(refusals.refusal(acts_as, str(error))) from error
                raise WarehouseUnreachable(_unknown_caller(str(error))) from error
            except (exceptions.RetryError, OSError, TimeoutError) as error:
                if not isinstance(error, OSError) or attempt >= ATTEMPTS_TO_CONNECT:
                    raise WarehouseUnreachable(
                        f"BigQuery did not answer ({error}): check the network and try again."
                    ) from error
            time.sleep(random.uniform(0.1, 0.4) * 2**doublings)
        raise AssertionError("unreachable")


def _config(sql: str, values: Mapping[str, Value], **more: bool) -> "bigquery.QueryJobConfig":
    """The values that the statement names, bound; labels that say whose and which run's it is."""
    from google.cloud import bigquery

    labels = {
        "app": APP,
        "tenant": values.get("tenant_id"),
        "run": values.get("run_id"),
    }
    named = set(re.findall(r"@(\w+)", sql))
    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter(name, _type_of(name, value), value)
            for name, value in values.items()
            if name in named
        ],
        labels={key: value for key, value in labels.items() if _LABEL.fullmatch(str(value))},
        **more,
    )


def _may_go_next_time(error: Any) -> bool:
    """Busy, broken for a moment, or a transaction that lost against another."""
    from google.api_core import exceptions

    text = str(error).lower()
    return (
        isinstance(error, exceptions.TooManyRequests | exceptions.ServerError)
        or any(one.get("reason") in NOT_NOW for one in error.errors if isinstance(one, dict))
        or _was_cancelled(error)
        or "too many dml statements" in text
    )


def _was_cancelled(error: Any) -> bool:
    """Whether a transaction lost against another that changes the same table."""
    text = str(error).lower()
    return "transaction" in text and "abort" in text


# What a null is, by the end of its parameter's name; else a string.
TYPES_OF_NULL = (
    (re.compile(r"(_at|_time)(_\d+)?$"), "TIMESTAMP"),
    (re.compile(r"^(is|has)_"), "BOOL"),
    (re.compile(r"(_date|day|partitions_from|newest_partition)$"), "DATE"),
    (re.compile(r"(_limit|_count|_ms|max_\w+?)(_\d+)?$"), "INT64"),
)


def _type_of(name: str, value: Value) -> str:
    if value is None:
        return next((kind for end, kind in TYPES_OF_NULL if end.search(name)), "STRING")
    if isinstance(value, bool):
        return "BOOL"
    if isinstance(value, int):
        return "INT64"
    if isinstance(value, Decimal):
        return "NUMERIC"
    if isinstance(value, datetime):
        return "TIMESTAMP"
    if isinstance(value, date):
        return "DATE"
    return "STRING"


def _unknown_caller(message: str) -> str:
    return (
        f"BigQuery does not know who asks ({message}): run"
        " `gcloud auth application-default login`, or see docs/bigquery.md, credentials."
    )


def _problem(error: Any, project: str, account: str) -> WarehouseProblem:
    """BigQuery's refusal as ours: of this statement, or of all that we may ask now."""
    from google.api_core import exceptions

    is_final = isinstance(error, exceptions.NotFound | exceptions.BadRequest)
    kind = StatementRefused if is_final and not _may_go_next_time(error) else WarehouseUnreachable
    return kind(_told(error, project, account))


def _told(error: Any, project: str, account: str) -> str:
    """BigQuery's refusal in one sentence, with the command that mends it."""
    from google.api_core import exceptions

    # Without the method and the address that the client puts in front.
    message = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(error.message)).splitlines()[0].rstrip(".")
    if isinstance(error, exceptions.Unauthorized):
        return _unknown_caller(message)
    if isinstance(error, exceptions.Forbidden):
        return f"BigQuery refused ({message}): {_grant(message, project, account)}."
    if isinstance(error, exceptions.NotFound) or LACKING.search(message):
        return (
            f"BigQuery has no such thing ({message}): run `runner doctor` to see what is missing,"
            " and `runner tenant repair ID` or `runner tenant add ID` to make it."
        )
    return f"BigQuery failed ({message}): try again."


def _grant(message: str, project: str, account: str) -> str:
    """What to do about a 403: mostly the command that gives what BigQuery says is wanting.

    `account`: who lacks it, our own login if empty; then M stands for it.
    """
    for pattern, remedy in NO_GRANT_HELPS:
        if re.search(pattern, message):
            return remedy.format(project)
    is_list = "INFORMATION_SCHEMA.JOBS" in message
    permission = next((name for name in ROLES if name in message), None)
    named = re.search(r"(?i)\b(table|view|dataset) ([\w.-]+):([\w-]+)(\.[\w-]+)?", message)
    if permission is None and named and not is_list:
        _, home, dataset, table = named.groups()
        # What is in our own project we write, what is elsewhere we read.
        role = "dataEditor" if home == project else "dataViewer"
        of = f"TABLE `{home}.{dataset}{table}`" if table else f"SCHEMA `{home}.{dataset}`"
        return (
            f'run "GRANT `roles/bigquery.{role}` ON {of} TO'
            f" 'serviceAccount:{account or 'SA'}'\" as its owner,"
            " see docs/bigquery.md"
        )
    if is_list:
        permission = "bigquery.jobs.list"
    if permission is None:
        return "run `runner doctor`, and compare the account's roles with docs/bigquery.md"
    member = f"serviceAccount:{account}" if account else "M"
    return (
        f"run `gcloud projects add-iam-policy-binding {project} --member={member}"
        f" --role={ROLES[permission]}`, see docs/bigquery.md"
    )
