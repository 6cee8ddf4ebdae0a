"""What a test has dbt build of a bill where it checks neither marts nor the tests' results.

A run of these models takes half the time of a selector's: dbt needs as long for a test, a seed or a
control table as for the bill of a day. Their proofs run all the same, for a model runs its own.
"""

from dataclasses import replace

from runner.engine.job import Job

BILL = ("stg_gcp_billing__export", "billing_cost_daily")
# By the name that stands in a selector's place.
MODELS = {
    "copy": BILL,
    "layers": (*BILL, "gcp_silver_cost"),
    "landed": ("stg_gcp_billing__export", "export_landing"),
    "focus": (*BILL, "gcp_silver_cost", "focus_cost_and_usage", "resource_type:seed"),
}


def as_dbt_knows_it(job: Job) -> Job:
    """The job; one that builds what is named here, as a run of those models."""
    command = job.command
    if command[:2] == ("build", "--selector") and command[2] in MODELS:
        # `run` leaves seeds out.
        kinds = ("--resource-type", "model", "--resource-type", "seed")
        how = ("build", *kinds) if command[2] == "focus" else ("run",)
        command = (*how, "--select", *MODELS[command[2]])
    return replace(job, command=command)
