"""The statements that a spool entry may name: an entry can run nothing else."""

from collections.abc import Iterable

from runner.control import outbox_sql, queue_sql, runs_sql

Named = tuple[str, int]

SPOOLED = {
    name: str(getattr(module, name))
    for module, names in (
        (runs_sql, ("FINISH", "MISSING_EVENTS", "DROP_STEPS", "ADD_STEPS", "RUN")),
        (queue_sql, ("REQUEUE", "DROP_RUN_STEPS")),
        (outbox_sql, ("ADD_FAILURE_ALERT", "ADD_RECOVERY_ALERT", "MARK_SENT", "ENDED")),
        (outbox_sql, ("ADD_MAIL_STEP", "CLOSE_MAIL_STEP")),
    )
    for name in names
}


def texts(tenant: str, named: Iterable[Named]) -> tuple[str, ...]:
    """The statements of these names, for a tenant's dataset; `tenant` is a validated name.

    The number: which alert, from 0, or how many steps. Many steps are one statement, since each
    statement costs a second on BigQuery. Raises KeyError for a name that is not in SPOOLED.
    """
    return tuple(
        SPOOLED[name].format(
            tenant=tenant,
            n=number,
            step_ids=", ".join(f"@step_logging_id_{n}" for n in range(number)),
            step_rows=", ".join(runs_sql.STEP_ROW.format(n=n) for n in range(number)),
        )
        for name, number in named
    )
