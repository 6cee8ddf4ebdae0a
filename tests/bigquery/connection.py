"""Google's own client, pointed at the emulator."""

from emulator import Emulator
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


def connect(emulator: Emulator) -> bigquery.Client:
    """A client without credentials that talks to no other host."""
    return bigquery.Client(
        project=emulator.project,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options=ClientOptions(api_endpoint=emulator.url),
    )
