"""The one BigQuery client: bound parameters, one script per transaction, bounded retries."""

import contextlib
import functools
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from runner import refusals
from runner import sql as sql_texts
from runner.bigquery_jobs import APP, job_config
from runner.errors import AccountRefused, StatementRefused, UsageProblem, WarehouseUnreachable
from runner.settings import Target
from runner.sql import Row, Value, When, by_table

if TYPE_CHECKING:
    from google.cloud import bigquery

Answer = TypeVar("Answer")

# Job ids of the runner's own statements begin with this.
OWN_JOBS = "runner-"
# No call waits longer than this for BigQuery; a control statement takes a second or two.
TIMEOUT_SECONDS = 120.0
ATTEMPTS = 8
# Of ten claims at once only one is not cancelled. The others are retried, some of them ten times.
ATTEMPTS_TO_COMMIT = 20
LONGEST_DOUBLING = 3
# A broken connection is made again; a network that is down is reported soon.
ATTEMPTS_TO_CONNECT = 3
# Reasons of a 403 that only ask for a later retry.
NOT_NOW = {"rateLimitExceeded", "jobRateLimitExceeded", "backendError"}
CLIENTS = 32
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class Client:
    """BigQuery in the target's project, as the process or as a tenant's service account."""

    def __init__(self, target: Target, environ: Mapping[str, str]) -> None:
        self.fields = target.fields
        self._environ = environ
        # The byte cap of each of the runner's queries, as for dbt; none if the profile has none.
        cap = str(self.fields.get("maximum_bytes_billed") or 0)
        if not cap.isdecimal():
            raise UsageProblem(
                f"maximum_bytes_billed of target '{target.name}' is '{cap}': set"
                " BIGQUERY_MAXIMUM_BYTES_BILLED to a number of bytes, such as 1099511627776."
            )
        self.capped: dict[str, int] = {"maximum_bytes_billed": int(cap)} if int(cap) else {}
        # By account; empty is the process's own, the only one that uses control tables.
        self.as_account = functools.lru_cache(CLIENTS)(self._connect)

    @property
    def own(self) -> "bigquery.Client":
        """Google's client, as the process itself."""
        return self.as_account("")

    def query(
        self, sql: str, values: Mapping[str, Value], when: When = dict, account: str = ""
    ) -> list[Row]:
        from google.api_core import exceptions

        client = self.as_account(account)
        # The id is kept until its job has failed: when an answer is lost and the request is
        # repeated, BigQuery finds the job of the first request.
        job_id = f"{OWN_JOBS}{uuid.uuid4()}"

        def ask() -> list[Row]:
            nonlocal job_id
            # The time of this attempt, as an earlier one may have been cancelled.
            config = job_config(sql, {**values, **when()}, **self.capped)
            once: Any = {"retry": None, "timeout": TIMEOUT_SECONDS}
            try:
                job = client.query(sql, job_config=config, job_id=job_id, job_retry=None, **once)
            except exceptions.Conflict:
                try:
                    job = client.get_job(job_id, **once)
                except exceptions.NotFound as unseen:  # it exists, but is not visible yet
                    raise exceptions.ServiceUnavailable(str(unseen)) from unseen
            try:
                # Without Google's own retries, which poll a failed job for ten minutes.
                rows = job.result(timeout=TIMEOUT_SECONDS, retry=None, job_retry=None)
            except TimeoutError as late:
                with contextlib.suppress(exceptions.GoogleAPICallError):
                    job.cancel(**once)
                why = f"BigQuery did not finish job {job_id} in {TIMEOUT_SECONDS:.0f} s"
                raise WarehouseUnreachable(f"{why}: run the command again later.") from late
            except exceptions.GoogleAPICallError:
                # The job object is not updated by the error: reload it to see whether the job
                # failed, or only this request.
                with contextlib.suppress(exceptions.GoogleAPICallError):
                    job.reload(**once)
                if job.state == "DONE" and job.error_result:
                    job_id = f"{OWN_JOBS}{uuid.uuid4()}"
                raise
            return [dict(row.items()) for row in rows]

        return self.call(ask, account)

    def transaction(
        self, account: str, when: When, statements: Sequence[str], values: Mapping[str, Value]
    ) -> list[Row]:
        script = ";\n".join(statement.strip() for statement in statements)
        queries = statements[-1].lstrip().lower().startswith("select")
        if len(statements) == 1 and not queries:
            # A single statement waits for others of the table; a transaction would be cancelled.
            return self.query(script, values, when, account)
        body, last = script.rsplit(";\n", 1) if queries else (script, "select 1 as done")
        # A script returns the rows of its last statement: the query is repeated after the commit.
        script = f"begin transaction;\n{body};\ncommit transaction;\n{last};"
        rows = self.query(script, values, when, account)
        return rows if queries else []

    def call(self, ask: Callable[[], Answer], account: str = "") -> Answer:
        """Ask, and retry with growing pauses after a transient error."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        for attempt in range(1, ATTEMPTS_TO_COMMIT + 1):
            doublings = attempt
            try:
                return ask()
            except exceptions.GoogleAPICallError as error:
                attempts = ATTEMPTS_TO_COMMIT if _was_cancelled(error) else ATTEMPTS
                is_lasting = not _is_passing(error)
                if is_lasting or attempt >= attempts:
                    project = str(self.fields["project"])
                    raise refusals.problem(error, project, account, is_lasting) from error
                if _was_cancelled(error):
                    doublings = min(attempt, LONGEST_DOUBLING)
            except GoogleAuthError as error:
                acts_as = account or self.fields.get("impersonate_service_account")
                if acts_as and refusals.REFUSED in str(error):
                    raise AccountRefused(refusals.refusal(acts_as, str(error))) from error
                raise WarehouseUnreachable(refusals.unknown_caller(str(error))) from error
            except (exceptions.RetryError, OSError, TimeoutError) as error:
                if not isinstance(error, OSError) or attempt >= ATTEMPTS_TO_CONNECT:
                    raise WarehouseUnreachable(
                        f"BigQuery did not answer ({error}): check the network and try again."
                    ) from error
            time.sleep(random.uniform(0.1, 0.4) * 2**doublings)
        raise AssertionError("unreachable")

    def table(self, name: str, account: str = "") -> "bigquery.Table | None":
        """The table, None if it does not exist; without a job, so it costs nothing."""
        from google.api_core.exceptions import NotFound

        def get() -> "bigquery.Table | None":
            client = self.as_account(account)
            with contextlib.suppress(NotFound):
                return client.get_table(name, retry=None, timeout=TIMEOUT_SECONDS)
            return None

        return self.call(get, account)

    def columns(self, dataset: str, account: str = "") -> dict[str, set[str]]:
        """The columns of each table of a dataset; empty without the dataset."""
        from google.api_core.exceptions import NotFound

        try:
            return by_table(
                self.query(sql_texts.COLUMNS_BIGQUERY.format(dataset=dataset), {}, account=account)
            )
        except StatementRefused as error:
            if isinstance(error.__cause__, NotFound):
                return {}
            raise

    def _connect(self, account: str) -> "bigquery.Client":
        """A client that acts as the account, or as the process itself where that is empty."""
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.cloud import bigquery

        emulator = self._environ.get("BIGQUERY_EMULATOR_HOST", "")
        common = {"project": self.fields["project"], "location": self.fields.get("location")}
        # As in dbt's profile, so that both clients use the same endpoint.
        url = str(self.fields.get("api_endpoint") or "")
        if url:
            common["client_options"] = ClientOptions(api_endpoint=url)
        try:
            if emulator:
                return bigquery.Client(**common, credentials=AnonymousCredentials())
            found = self._credentials(account)
            if account:
                # Now, so that an error is known to be about the account and not a statement.
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
        """Credentials of the key file, else of the machine; impersonating the account, if any."""
        import google.auth
        from google.auth import impersonated_credentials

        if self.fields.get("method") == "service-account":
            found, _ = google.auth.load_credentials_from_file(
                str(self.fields["keyfile"]), scopes=SCOPES
            )
        else:
            found, _ = google.auth.default(scopes=SCOPES)
        principal = account or self.fields.get("impersonate_service_account")
        if not principal:
            return found
        return impersonated_credentials.Credentials(
            source_credentials=found, target_principal=principal, target_scopes=SCOPES
        )


def _is_passing(error: Any) -> bool:
    """Whether the error is transient: a busy server, a server error or a cancelled transaction."""
    from google.api_core import exceptions

    text = str(error).lower()
    if refusals.OVER_THE_CAP in text:  # Google's client reports it as a server error
        return False
    return (
        isinstance(error, exceptions.TooManyRequests | exceptions.ServerError)
        or any(one.get("reason") in NOT_NOW for one in error.errors if isinstance(one, dict))
        or _was_cancelled(error)
        or "too many dml statements" in text
    )


def _was_cancelled(error: Any) -> bool:
    """Whether a transaction, or a statement by itself, lost to another one of the same table."""
    text = str(error).lower()
    return ("transaction" in text and "abort" in text) or "could not serialize access" in text


def require_own_dataset(client: Client, name: str, dataset: Any) -> None:
    """Raises UsageProblem for a dataset that the runner did not make: it must not be deleted."""
    if dataset.labels.get("app") != APP or dataset.labels.get("dataset") != name:
        raise UsageProblem(
            f"The dataset {client.own.project}.{name} exists and was not made by the runner: choose"
            f" another tenant id, or let the runner manage it with `bq update --set_label app:{APP}"
            f" --set_label dataset:{name} {client.own.project}:{name}`."
        )
