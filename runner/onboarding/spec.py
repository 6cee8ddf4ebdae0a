"""A tenant as the caller named it."""

from dataclasses import dataclass

from runner.control.tenants import Plan


@dataclass(frozen=True)
class TenantSpec:
    """A tenant as the caller named it. None leaves what the tenant has.

    Accounts and projects stay as they are unless named, or forgotten with `all_accounts`.
    """

    tenant_id: str
    admin_email: str
    refs: tuple[str, ...]
    company_name: str | None = None
    plan: Plan | None = None
    accounts: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    with_unallocated: bool | None = None
    all_accounts: bool = False
    is_landing: bool = False
