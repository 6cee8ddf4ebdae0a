"""What may wait on disk, by name: a file there can name these statements and nothing else."""

from collections.abc import Iterable

from runner.control.outbox_sql import (
    ADD_FAILURE_ALERT,
    ADD_MAIL_STEP,
    ADD_RECOVERY_ALERT,
    CLOSE_MAIL_STEP,
    ENDED,
    MARK_SENT,
)
from runner.control.queue_sql import DROP_RUN_STEPS, HAND_BACK
from runner.control.runs_sql import ADD_STEPS, DROP_STEPS, FINISH, FINISH_EVENT, RUN, STEP_ROW

# -- What may wait on disk, by name: a file there can name these and nothing else.

Named = tuple[str, int]

SPOOLED = {
    "FINISH": FINISH,
    "FINISH_EVENT": FINISH_EVENT,
    "DROP_STEPS": DROP_STEPS,
    "ADD_STEPS": ADD_STEPS,
    "ADD_FAILURE_ALERT": ADD_FAILURE_ALERT,
    "ADD_MAIL_STEP": ADD_MAIL_STEP,
    "ADD_RECOVERY_ALERT": ADD_RECOVERY_ALERT,
    "MARK_SENT": MARK_SENT,
    "CLOSE_MAIL_STEP": CLOSE_MAIL_STEP,
    "HAND_BACK": HAND_BACK,
    "DROP_RUN_STEPS": DROP_RUN_STEPS,
    "RUN": RUN,
    "ENDED": ENDED,
}


def texts(tenant: str, named: Iterable[Named]) -> tuple[str, ...]:
    """The statements of these names, for a tenant's dataset; `tenant` is a validated slug.

    The number: which alarm, from 0, or how many steps. On BigQuery each statement costs a second,
    so that many steps are one. Raises KeyError for a name that may not wait on disk.
    """
    return tuple(
        SPOOLED[name].format(
            tenant=tenant,
            n=number,
            step_ids=", ".join(f"@step_logging_id_{n}" for n in range(number)),
            step_rows=", ".join(STEP_ROW.format(n=n) for n in range(number)),
        )
        for name, number in named
    )
