"""Google's sign-in, led to the gate: who the process is, and where it asks to act as another."""

import google.auth
from google.auth import iam, impersonated_credentials
from google.oauth2.credentials import Credentials

OWN = "own"


def aim(url: str) -> None:
    """From now on the default account is OWN, and accounts to act as are asked of the gate."""
    google.auth.default = lambda *args, **options: (Credentials(token=OWN), "local")  # type: ignore[no-untyped-call]
    # Asked of Google beside each token, whether there is a network or not.
    impersonated_credentials.Credentials._is_regional_access_boundary_lookup_required = (  # type: ignore[method-assign]
        lambda self: False
    )
    iam._IAM_ENDPOINT = f"{url}/accounts/{{}}"
