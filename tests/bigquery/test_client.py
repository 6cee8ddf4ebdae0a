"""What the runner's client does when BigQuery is busy, refuses, or its answer is lost."""

import ast
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from connection import connect
from emulator import Emulator
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.cloud import bigquery
from google.cloud.bigquery.job.base import _error_result_to_exception
from requests.exceptions import ConnectionError as ConnectionLost
from support import ROOT

from runner import bigquery as runner_bigquery
from runner.bigquery import (
    ATTEMPTS,
    ATTEMPTS_TO_COMMIT,
    ATTEMPTS_TO_CONNECT,
    LONGEST_DOUBLING,
    Client,
)
from runner.control import tenants
from runner.control.bigquery import BigQueryStore
from runner.dataset.bigquery import BigQueryDataset
from runner.errors import (
    AccountRefused,
    StatementRefused,
    UsageProblem,
    WarehouseProblem,
    WarehouseUnreachable,
)
from runner.onboarding import onboarding_sql, overlaps, records, rows
from runner.settings import Target

# What alone talks to Google.
SOURCES = {
    f"runner/{name}"
    for name in ("bigquery.py", "bigquery_jobs.py", "control/bigquery.py", "dataset/bigquery.py")
}
CLIENTS = ("._client.own", ".as_account(account)", "client")
ABORTED = "Transaction is aborted due to concurrent update against table local:t.x_meta_run_lock"


def calls_without_timeout(source: str) -> tuple[int, list[str]]:
    """Calls of a client or of a job: how many there are, and those that could wait for ever."""
    found, bad = 0, []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = ast.unparse(node.func.value)
        is_client = owner.endswith(CLIENTS) and not owner.endswith("._client")
        if is_client or (owner == "job" and node.func.attr in ("result", "cancel")):
            found += 1
            given = [keyword.arg or ast.unparse(keyword.value) for keyword in node.keywords]
            if not {"timeout", "once", "every"} & set(given):
                bad.append(ast.unparse(node))
    return found, bad


def test_no_client_call_waits_for_ever() -> None:
    judged = [calls_without_timeout((ROOT / name).read_text()) for name in sorted(SOURCES)]
    assert sum(found for found, _ in judged) >= 10
    assert [call for _, bad in judged for call in bad] == []


def test_a_call_without_timeout_would_be_found() -> None:
    assert calls_without_timeout("self._client.own.get_job(i)\njob.result()") == (
        2,
        ["self._client.own.get_job(i)", "job.result()"],
    )


def test_only_these_modules_talk_to_google() -> None:
    modules = (ROOT / "runner").rglob("*.py")
    users = {str(p.relative_to(ROOT)) for p in modules if "google.cloud" in p.read_text()}
    assert users <= SOURCES


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, taken at once."""
    taken: list[float] = []
    monkeypatch.setattr(runner_bigquery.time, "sleep", taken.append)
    return taken


def a_client(client: object, **fields: str) -> Client:
    """The runner's client over what stands for Google's."""
    settings = {"project": "local", "location": "US", **fields}
    made = Client(Target("bigquery", "bigquery", settings), {})
    made.as_account = lambda account: client  # type: ignore[assignment]
    return made


def a_store(client: object, **fields: str) -> BigQueryStore:
    return BigQueryStore(a_client(client, **fields))


def a_dataset(client: object) -> BigQueryDataset:
    return BigQueryDataset(a_client(client))


class Job:
    """A job that fails with an error; what it has become is known only once it is reloaded."""

    def __init__(self, error: Exception | None = None, becomes: str = "DONE") -> None:
        self.error, self.becomes = error, becomes
        self.state = "RUNNING"
        self.error_result: dict[str, str] | None = None
        self.cancels = 0

    def cancel(self, **options: Any) -> None:
        self.cancels += 1
        raise exceptions.ServiceUnavailable("try again")

    def reload(self, **options: Any) -> None:
        self.state = "DONE" if self.becomes == "SUCCEEDED" else self.becomes
        if self.becomes == "DONE":
            self.error_result = {"reason": "internalError"}

    def result(self, *, retry: Any, job_retry: Any, **options: Any) -> list[bigquery.Row]:
        assert retry is None and job_retry is None, "Google's own retries ask a failed job again"
        if self.error:
            raise self.error
        return [bigquery.Row((1,), {"n": 0})]


class Scripted:
    """Stands for Google's client: each query is answered by the next line of the script."""

    def __init__(self, *script: Exception | Job) -> None:
        self.script = list(script)
        self.ids: list[str] = []

    def query(self, sql: str, job_id: str, **options: Any) -> Job:
        self.ids.append(job_id)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    "words",
    [ABORTED, "Could not serialize access to table ours:t.x_meta_lock due to concurrent update"],
)
def test_an_aborted_transaction_is_tried_again_as_a_new_job(
    pauses: list[float], words: str
) -> None:
    client = Scripted(Job(exceptions.BadRequest(words)), Job())
    assert a_store(client).read("select 1 as n") == [{"n": 1}]
    assert len(set(client.ids)) == 2 and len(pauses) == 1


def test_a_job_that_takes_too_long_is_cancelled_and_named(pauses: list[float]) -> None:
    """It is no fault of the network, and is asked for once."""
    slow = Job(TimeoutError())
    client = Scripted(slow)
    with pytest.raises(WarehouseUnreachable, match=r"did not finish job runner-.* in 120 s"):
        a_store(client).read("select 1 as n")
    assert slow.cancels == 1 and len(client.ids) == 1 and pauses == []


class AskedAgain(Scripted):
    """The id is taken after the first request; the job is then found, or not yet."""

    def __init__(self, first: Job, *found: Exception | Job) -> None:
        super().__init__(first, exceptions.Conflict("Already Exists"))
        self.found = list(found)

    def get_job(self, job_id: str, **options: Any) -> Job:
        assert {job_id} == set(self.ids)
        answer = self.found.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("becomes", ["RUNNING", "SUCCEEDED"])
def test_a_job_that_has_not_failed_is_asked_again_by_its_id(
    pauses: list[float], becomes: str
) -> None:
    """Only the question failed: another job would do its work twice."""
    unanswered = Job(exceptions.ServiceUnavailable("try again"), becomes=becomes)
    client = AskedAgain(unanswered, Job())
    assert a_store(client).read("select 1 as n") == [{"n": 1}]
    assert len(client.ids) == 2 and len(set(client.ids)) == 1


def test_a_job_that_is_not_seen_everywhere_yet_is_asked_for_again(pauses: list[float]) -> None:
    unanswered = Job(exceptions.ServiceUnavailable("try again"), becomes="RUNNING")
    client = AskedAgain(unanswered, exceptions.NotFound("Not found: Job"), Job())
    assert a_store(client).read("select 1 as n") == [{"n": 1}]
    assert len(client.ids) == 3 and len(pauses) == 2


def test_an_internal_error_of_a_job_is_a_new_job_each_time(pauses: list[float]) -> None:
    broken = exceptions.InternalServerError("internalError")
    client = Scripted(Job(broken))
    with pytest.raises(WarehouseUnreachable, match="BigQuery failed"):
        a_store(client).read("select 1 as n")
    assert len(set(client.ids)) == ATTEMPTS, "no attempt is wasted on a job that has failed"


def test_adding_a_tenant_is_one_script_that_raises_before_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two at once the second sees the first's export, and none of its rows is written."""
    sent: list[str] = []

    class Kept(Scripted):
        def query(self, sql: str, job_id: str, **options: Any) -> Job:
            sent.append(sql)
            return super().query(sql, job_id, **options)

    monkeypatch.setattr(overlaps, "also_billed_to", lambda *args: ["alpha"])
    raised = f"Query error: {onboarding_sql.SHARED_EXPORT} at [40:9]"
    store = a_store(Kept(Job(), Job(exceptions.BadRequest(raised))))
    exports = [tenants.Export("p.d.t")]
    record = records.Record("a@b.example", "", tenants.PLANS["scale"], exports)
    with pytest.raises(UsageProblem, match=r"p\.d\.t is also read by tenant alpha"):
        rows.write(store, "beta", record)
    places = [
        sent[1].index(part)
        for part in (
            "begin transaction;\nupdate `tenants.tenant_lock`",
            "insert into `tenants.tenant_exports`",
            f"error('{onboarding_sql.SHARED_EXPORT}')",
            "commit transaction;",
        )
    ]
    assert places == sorted(places) and len(sent) == 2


def test_a_transaction_that_loses_again_and_again_asks_longer_but_not_for_ever(
    pauses: list[float],
) -> None:
    lost = Job(exceptions.BadRequest(ABORTED))
    client = Scripted(*[lost] * (ATTEMPTS_TO_COMMIT - 1), Job())
    assert a_store(client).read("select 1 as n") == [{"n": 1}]
    assert max(pauses) <= 0.4 * 2**LONGEST_DOUBLING and sum(pauses) < 240
    with pytest.raises(WarehouseUnreachable):
        a_store(Scripted(lost)).read("select 1 as n")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.TooManyRequests("quota"),
        exceptions.ServiceUnavailable("busy"),
        exceptions.Forbidden("slow down", errors=[{"reason": "rateLimitExceeded"}]),
    ],
)
def test_a_busy_bigquery_is_asked_again_with_growing_pauses(
    error: Exception, pauses: list[float]
) -> None:
    client = Scripted(error, error, Job())
    assert a_store(client).read("select 1 as n") == [{"n": 1}]
    assert len(set(client.ids)) == 1, "a request that got no job is sent with the same id"
    always = Scripted(error)
    with pytest.raises(WarehouseUnreachable):
        a_store(always).read("select 1")
    assert len(always.ids) == ATTEMPTS
    assert pauses[-1] <= 0.4 * 2**ATTEMPTS and sum(pauses) < 120


class Configured(Scripted):
    """Keeps with which configuration each query came."""

    def __init__(self, *script: Exception | Job) -> None:
        super().__init__(*script)
        self.configured: list[bigquery.QueryJobConfig] = []

    def query(self, sql: str, job_id: str = "", **options: Any) -> Any:
        self.configured.append(options["job_config"])
        return super().query(sql, job_id)


@pytest.mark.parametrize("cap", ["1099511627776", ""])
def test_each_query_of_the_runner_has_the_cap_of_the_profile(cap: str) -> None:
    client = Configured(Job())
    store = a_store(client, maximum_bytes_billed=cap)
    store.read("select 1 as n")
    store.write("update t set a = @a where true", "select 1 as n", a=1)
    found = [one.to_api_repr()["query"].get("maximumBytesBilled") for one in client.configured]
    assert found == [cap or None] * 2


@pytest.mark.parametrize("cap", ["1 TiB", "1e12", "-1", "none"])
def test_a_cap_that_is_no_number_of_bytes_is_refused(cap: str) -> None:
    with pytest.raises(UsageProblem, match=f"is '{cap}': set BIGQUERY_MAXIMUM_BYTES_BILLED to a"):
        a_store(Scripted(Job()), maximum_bytes_billed=cap)


def test_a_query_over_the_cap_is_not_repeated_and_names_the_setting(pauses: list[float]) -> None:
    """Google's client has no status for the reason, and gives it that of a broken server."""
    words = "Query exceeded limit for bytes billed: 1000. 10485760 or higher required."
    reason = {"reason": "bytesBilledLimitExceeded", "message": words}
    client = Scripted(Job(_error_result_to_exception(reason)))
    with pytest.raises(StatementRefused, match="raise BIGQUERY_MAXIMUM_BYTES_BILLED"):
        a_store(client).read("select 1 as n")
    assert len(client.ids) == 1 and pauses == []


@pytest.mark.parametrize(
    ("read", "tables", "billed"),
    [(0, 0, 0), (5, 1, 10 * 2**20), (5, 3, 30 * 2**20), (2**30, 3, 2**30)],
)
def test_of_each_table_at_least_10_mb_are_billed(read: int, tables: int, billed: int) -> None:
    class DryRun(Job):
        total_bytes_processed = read
        referenced_tables: ClassVar[list[str]] = ["t"] * tables

    class Dry(Configured):
        def get_table(self, *args: Any, **options: Any) -> None:
            raise exceptions.NotFound("no tenants yet")

    client = Dry(DryRun())
    dataset = a_dataset(client)
    assert dataset.bytes_billed("acme", "select 1") == billed
    assert dataset.bytes_read("acme", "select 1") == read
    assert all(one.dry_run for one in client.configured)


def test_a_network_that_is_down_is_reported_soon(pauses: list[float]) -> None:
    client = Scripted(ConnectionLost("refused"))
    with pytest.raises(WarehouseUnreachable, match="check the network"):
        a_store(client).read("select 1")
    assert len(client.ids) == ATTEMPTS_TO_CONNECT


def test_an_own_account_that_cannot_be_acted_as_is_named(pauses: list[float]) -> None:
    """BIGQUERY_IMPERSONATE names one, and its grant is missing."""
    refused = RefreshError("Unable to acquire impersonated credentials", "PERMISSION_DENIED")
    store = a_store(Scripted(refused), impersonate_service_account="sa@p")
    with pytest.raises(AccountRefused, match="cannot act as the service account sa@p"):
        store.read("select 1")


def test_what_a_tenants_account_lacks_is_granted_to_that_account(pauses: list[float]) -> None:
    class ByAccount(Scripted):
        def get_table(self, *args: Any, **options: Any) -> object:
            return object()

        def query(self, sql: str, job_id: str = "", **options: Any) -> Any:
            if "tenant_profiles" in sql:
                answer = Job()
                answer.result = lambda **o: [bigquery.Row(("sa@p",), {"service_account": 0})]
                return answer
            return super().query(sql, job_id, **options)

    lacks = "Access Denied: Dataset local:acme: User lacks bigquery.jobs.create"
    with pytest.raises(WarehouseUnreachable, match="--member=serviceAccount:sa@p"):
        a_dataset(ByAccount(exceptions.Forbidden(lacks))).bytes_read("acme", "select 1")
    lacks = "Access Denied: Dataset local:acme: Permission denied"
    with pytest.raises(WarehouseUnreachable, match="TO 'serviceAccount:sa@p'"):
        a_dataset(ByAccount(exceptions.Forbidden(lacks))).read("acme", "select 1")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            exceptions.Forbidden(
                "POST https://bigquery.googleapis.com/x: Access Denied: Project p: User does not"
                " have bigquery.jobs.create permission in project p."
            ),
            ("bigquery.jobs.create", "add-iam-policy-binding local", "roles/bigquery.jobUser"),
        ),
        (
            exceptions.Forbidden(
                "Access Denied: Table p:billing.export: User does not have permission to query"
                " table p:billing.export, or perhaps it does not exist."
            ),
            ("GRANT `roles/bigquery.dataViewer` ON TABLE `p.billing.export`",),
        ),
        (
            exceptions.Forbidden("Access Denied: Dataset local:acme: Permission denied"),
            ("GRANT `roles/bigquery.dataEditor` ON SCHEMA `local.acme`",),
        ),
        (
            exceptions.Forbidden(
                "Access Denied: Table p:region-us.INFORMATION_SCHEMA.JOBS_BY_USER: User does not"
                " have permission"
            ),
            ("add-iam-policy-binding local", "roles/bigquery.user"),
        ),
        (
            exceptions.Forbidden("Permission bigquery.tables.getData denied on table p:d.t (or"),
            ("GRANT `roles/bigquery.dataViewer` ON TABLE `p.d.t`",),
        ),
        (
            exceptions.Forbidden("BigQuery API has not been used in project 12 before or it is"),
            ("gcloud services enable bigquery.googleapis.com --project=local",),
        ),
        (
            exceptions.Forbidden("Billing has not been enabled for this project. Enable billing"),
            ("gcloud billing projects link local --billing-account=ID",),
        ),
        (
            exceptions.Forbidden("Quota exceeded: Your usage exceeded the custom quota"),
            ("wait until it resets", "quota list", "--consumer=projects/local"),
        ),
        (
            exceptions.Forbidden("Request is prohibited by organization's policy. x: y"),
            ("administrator of your organization",),
        ),
        (
            exceptions.Forbidden(
                "Access Denied: Permission denied while getting Drive credentials"
            ),
            ("`runner doctor`", "docs/bigquery.md"),
        ),
        (
            exceptions.Forbidden("Access Denied: User lacks bigquery.datasets.create"),
            ("bigquery.datasets.create", "roles/bigquery.user"),
        ),
        (
            exceptions.NotFound("Not found: Table local:acme.x_meta_pipeline_runs"),
            ("local:acme.x_meta_pipeline_runs", "runner tenant repair", "runner tenant add"),
        ),
        (
            exceptions.BadRequest("Unrecognized name: lease_expires_at at [3:5]"),
            ("lease_expires_at", "runner tenant repair", "runner doctor"),
        ),
        (
            exceptions.BadRequest("Column max_team_members is not present in table p:t.x"),
            ("max_team_members", "runner tenant repair"),
        ),
        (exceptions.Unauthorized("no token"), ("gcloud auth application-default login",)),
        (RefreshError("expired"), ("expired", "gcloud auth application-default login")),
    ],
)
def test_a_refusal_is_one_sentence_with_the_command_that_fixes_it(
    error: Exception, words: tuple[str, ...], pauses: list[float]
) -> None:
    client = Scripted(error)
    with pytest.raises(WarehouseProblem) as reported:
        a_store(client).read("select 1")
    is_lacking = isinstance(error, exceptions.NotFound | exceptions.BadRequest)
    assert type(reported.value) is (StatementRefused if is_lacking else WarehouseUnreachable)
    message = reported.value.message
    assert all(word in message for word in words), message
    assert "\n" not in message and "https://" not in message
    assert len(client.ids) == 1 and pauses == [], "asking again would not help"


@pytest.fixture
def table(client: bigquery.Client, dataset: str) -> Iterator[str]:
    client.query_and_wait(f"create table {dataset}.events (id string)")
    yield f"{dataset}.events"


def test_a_lost_answer_does_not_run_a_job_twice(
    emulator: Emulator, table: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = connect(emulator)
    send = real._connection.api_request
    lost: list[str] = []

    def lose_the_first_answer(*args: Any, **options: Any) -> Any:
        answer = send(*args, **options)
        if options.get("method") == "POST" and options["path"].endswith("/jobs") and not lost:
            lost.append(answer["jobReference"]["jobId"])
            raise ConnectionLost("the answer was lost")
        return answer

    monkeypatch.setattr(real._connection, "api_request", lose_the_first_answer)
    store = a_store(real)
    store.write(f"insert into {table} (id) values (@id)", id="one")
    assert lost and len(pauses) == 1
    assert store.read(f"select id from {table}") == [{"id": "one"}]
    assert [s.job_id for s in emulator.statements() if f"insert into {table}" in s.sql] == lost


def test_a_transaction_that_fails_leaves_nothing_and_is_not_repeated(
    emulator: Emulator, table: str, pauses: list[float]
) -> None:
    store = a_store(connect(emulator))
    with pytest.raises(StatementRefused, match="stop"):
        store.write(f"insert into {table} (id) values ('x')", "select error('stop')", "select 1")
    assert store.read(f"select id from {table}") == [] and pauses == []


class Dataset:
    """Stands for Google's: where it is, and whose."""

    def __init__(self, location: str, **labels: str) -> None:
        self.location, self.labels = location, labels


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            Dataset("EU", app="gcp_tenant_cost", dataset="acme"),
            "One project serves one location: set BIGQUERY_LOCATION=EU, or use another GCP_PROJECT",
        ),
        (Dataset("US"), "was not made by the runner"),
        (Dataset("US", app="gcp_tenant_cost", dataset="other"), "was not made by the runner"),
    ],
)
def test_a_dataset_elsewhere_or_of_another_is_not_taken(found: Dataset, words: str) -> None:
    class Google:
        project = "local"

        def create_dataset(self, dataset: bigquery.Dataset, **options: Any) -> Any:
            if dataset.dataset_id == "tenants":
                return Dataset("US", app="gcp_tenant_cost", dataset="tenants")
            return found

    with pytest.raises(UsageProblem, match=words):
        a_dataset(Google()).prepare("acme")


def test_a_dataset_of_another_is_not_removed() -> None:
    class Google:
        project = "local"

        def get_dataset(self, name: str, **options: Any) -> Dataset:
            return Dataset("US", app="billing")

    with pytest.raises(UsageProblem, match="was not made by the runner"):
        a_store(Google()).drop("billing")
