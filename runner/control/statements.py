"""Plain inserts and updates, built from column names. A value is bound by its column's name."""

from collections.abc import Sequence


def insert(table: str, columns: Sequence[str], absent: str = "", **expressions: str) -> str:
    """An INSERT of one row, of these columns and of those that get an SQL expression.

    `absent`: insert only when no row of the table meets this condition.
    """
    values = {name: f"@{name}" for name in columns} | expressions
    condition = (
        " from (select 1 as one_row) as one_row"
        f" where not exists (select 1 from {table} where {absent})"
        if absent
        else ""
    )
    return (
        f"insert into {table} ({', '.join(values)}) select {', '.join(values.values())}{condition}"
    )


def update(table: str, columns: Sequence[str], where: str, **expressions: str) -> str:
    """An UPDATE of these columns, and of those that get an SQL expression."""
    values = {name: f"@{name}" for name in columns} | expressions
    changes = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"update {table} set {changes} where {where}"


def changed(columns: Sequence[str]) -> dict[str, str]:
    """For `update`: the bound value; where it is null, the current one."""
    return {name: f"coalesce(@{name}, {name})" for name in columns}


def filled(columns: Sequence[str]) -> dict[str, str]:
    """For `update`: the current value; where it is null, the bound one."""
    return {name: f"coalesce({name}, @{name})" for name in columns}
