"""Google's own client, pointed at the emulator, and a transaction that stays open."""

from typing import Any

from emulator import Emulator
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from runner.bigquery_jobs import job_config


def connect(emulator: Emulator) -> bigquery.Client:
    """A client without credentials that talks to no other host."""
    return bigquery.Client(
        project=emulator.project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=emulator.url),
    )


class Transaction:
    """A transaction in a session of its own, which is open until `commit`."""

    def __init__(self, client: bigquery.Client) -> None:
        self._client = client
        config = bigquery.QueryJobConfig(create_session=True)
        job = client.query("begin transaction", job_config=config)
        job.result()
        assert job.session_info is not None
        session = bigquery.ConnectionProperty("session_id", str(job.session_info.session_id))
        self._properties = [session]

    def run(self, sql: str, **values: Any) -> None:
        """Run a statement, its values bound."""
        config = job_config(sql, values)
        config.connection_properties = self._properties
        self._client.query(sql, job_config=config, job_retry=None).result()

    def commit(self) -> None:
        self.run("commit transaction")
