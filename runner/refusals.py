"""What BigQuery's refusals mean, in plain words."""

import re

# Google's word, also within dbt's message, for an account that it lets nobody act as.
REFUSED = "impersonated credentials"


def refusal(account: str, told: str) -> str:
    """In one sentence why the process cannot act as the account, and what mends it."""
    if re.search("SERVICE_DISABLED|has not been used in project", told):
        why = "the IAM Service Account Credentials API is off"
        mend = "run `gcloud services enable iamcredentials.googleapis.com`"
    elif re.search(r"NOT_FOUND|\b404\b", told):
        why = "there is no such account"
        mend = "name another with `runner tenant credentials set`"
    elif re.search(r"PERMISSION_DENIED|getAccessToken|\b403\b", told):
        why = "roles/iam.serviceAccountTokenCreator on it is missing"
        mend = (
            f"run `gcloud iam service-accounts add-iam-policy-binding {account} --member=M"
            " --role=roles/iam.serviceAccountTokenCreator`, M being who this process is"
        )
    else:
        why = " ".join(told.split())[:300].rstrip(".")
        mend = "run `runner doctor` to try it again"
    return (
        f"The runner cannot act as the service account {account} ({why}): {mend}; see"
        " docs/bigquery.md."
    )
