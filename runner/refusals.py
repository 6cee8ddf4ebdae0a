"""BigQuery's refusals translated: one sentence each, with the command that fixes the cause."""

import re
from typing import Any

from runner.errors import StatementRefused, WarehouseProblem, WarehouseUnreachable

# BigQuery's messages about a column that is missing.
LACKING = re.compile(r"Unrecognized name|Name \S+ not found|Column \S+ is not present")
# Messages of a 403 whose cause is not a missing role, and the remedy; {0} is the project.
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
ROLES = {
    "bigquery.jobs.create": "roles/bigquery.jobUser",
    "bigquery.jobs.listAll": "roles/bigquery.resourceViewer",
    "bigquery.jobs.list": "roles/bigquery.user",
    "bigquery.datasets.create": "roles/bigquery.user",
}
# In Google's message about a query that would read more than maximum_bytes_billed.
OVER_THE_CAP = "limit for bytes billed"
# In Google's message, and so in dbt's, about an account that the process may not impersonate.
REFUSED = "impersonated credentials"


def refusal(account: str, message: str) -> str:
    """One sentence: why the process cannot act as the account, and the remedy."""
    if re.search("SERVICE_DISABLED|has not been used in project", message):
        why = "the IAM Service Account Credentials API is disabled"
        remedy = "run `gcloud services enable iamcredentials.googleapis.com`"
    elif re.search(r"NOT_FOUND|\b404\b", message):
        why = "the account does not exist"
        remedy = "name another with `runner tenant credentials set`"
    elif re.search(r"PERMISSION_DENIED|getAccessToken|\b403\b", message):
        why = "roles/iam.serviceAccountTokenCreator on it is missing"
        remedy = (
            f"run `gcloud iam service-accounts add-iam-policy-binding {account} --member=M"
            " --role=roles/iam.serviceAccountTokenCreator`, with this process's identity as M"
        )
    else:
        why = " ".join(message.split())[:300].rstrip(".")
        remedy = "run `runner doctor` to test it again"
    return (
        f"The runner cannot act as the service account {account} ({why}): {remedy}; see"
        " dbt_project/docs/bigquery.md."
    )


def unknown_caller(message: str) -> str:
    return (
        f"BigQuery does not know the caller ({message}): run"
        " `gcloud auth application-default login`, or see dbt_project/docs/bigquery.md."
    )


def problem(error: Any, project: str, account: str, is_lasting: bool) -> WarehouseProblem:
    """BigQuery's error as the runner's: StatementRefused, or WarehouseUnreachable."""
    from google.api_core import exceptions

    is_final = isinstance(error, exceptions.NotFound | exceptions.BadRequest)
    is_final |= OVER_THE_CAP in str(error)
    kind = StatementRefused if is_final and is_lasting else WarehouseUnreachable
    return kind(_message(error, project, account))


def _message(error: Any, project: str, account: str) -> str:
    """BigQuery's refusal in one sentence, with the remedy."""
    from google.api_core import exceptions

    # Without the method and the address that the client puts in front.
    message = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(error.message)).splitlines()[0].rstrip(".")
    if isinstance(error, exceptions.Unauthorized):
        return unknown_caller(message)
    if isinstance(error, exceptions.Forbidden):
        return f"BigQuery refused ({message}): {_grant(message, project, account)}."
    if isinstance(error, exceptions.NotFound) or LACKING.search(message):
        return (
            f"BigQuery did not find it ({message}): run `runner doctor` to list what is missing,"
            " and `runner tenant repair ID` or `runner tenant add ID` to create it."
        )
    if OVER_THE_CAP in message:
        return (
            f"The runner's query would read more than its cap ({message}): raise"
            " BIGQUERY_MAXIMUM_BYTES_BILLED, or read a shared export through a landing"
            " (dbt_project/docs/bigquery.md, What a run costs)."
        )
    return f"BigQuery failed ({message}): try again."


def _grant(message: str, project: str, account: str) -> str:
    """The remedy of a 403: usually the command that grants the missing role.

    `account`: the account without the role; empty: the process's own, written as M.
    """
    for pattern, remedy in NO_GRANT_HELPS:
        if re.search(pattern, message):
            return remedy.format(project)
    is_list = "INFORMATION_SCHEMA.JOBS" in message
    permission = next((name for name in ROLES if name in message), None)
    named = re.search(r"(?i)\b(table|view|dataset) ([\w.-]+):([\w-]+)(\.[\w-]+)?", message)
    if permission is None and named and not is_list:
        _, home, dataset, table = named.groups()
        # The runner writes in its own project, and only reads in others.
        role = "dataEditor" if home == project else "dataViewer"
        of = f"TABLE `{home}.{dataset}{table}`" if table else f"SCHEMA `{home}.{dataset}`"
        return (
            f'run "GRANT `roles/bigquery.{role}` ON {of} TO'
            f" 'serviceAccount:{account or 'SA'}'\" as its owner, see dbt_project/docs/bigquery.md"
        )
    if is_list:
        permission = "bigquery.jobs.list"
    if permission is None:
        return "run `runner doctor`, and compare the roles with dbt_project/docs/bigquery.md"
    member = f"serviceAccount:{account}" if account else "M"
    return (
        f"run `gcloud projects add-iam-policy-binding {project} --member={member}"
        f" --role={ROLES[permission]}`, see dbt_project/docs/bigquery.md"
    )
