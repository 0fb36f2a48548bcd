"""What a tenant and its users may: limits and rates, from ``[admission]`` and ``[tenants.NAME]``."""

from __future__ import annotations

from typing import Final

from surefoot.caller import Caller
from surefoot.gcra import Gcra
from surefoot.sections import AdmissionSettings, Tenant

MINUTE_S: Final = 60.0


class Entitlement:
    """The limits of one tenant, or of all that have none of their own; and what is owed under its rates.

    Attributes:
        weight: Turns of each of its users in a round.
        user_runs: Runs of one user at once.
        tenant_runs: Runs of the tenant at once.
        user_queue: Requests of one user that may wait.
        tenant_queue: Requests of the tenant that may wait.
    """

    __slots__ = (
        "_tenant_rate", "_tenant_rpm", "_user_rate", "_user_rpm",
        "tenant_queue", "tenant_runs", "user_queue", "user_runs", "weight",
    )  # fmt: skip

    def __init__(self, settings: AdmissionSettings, tenant: Tenant) -> None:
        """What ``tenant`` does not say is as in ``settings``."""

        def choose(name: str) -> float:
            own: float | None = getattr(tenant, name)
            wide: float = getattr(settings, name)
            return wide if own is None else own

        self.weight = tenant.weight
        self.user_runs = int(choose("user_runs"))
        self.tenant_runs = int(choose("tenant_runs"))
        self.user_queue = int(choose("user_queue"))
        self.tenant_queue = int(choose("tenant_queue"))
        self._user_rpm = choose("user_requests_per_minute")
        self._tenant_rpm = choose("tenant_requests_per_minute")
        self._user_rate = Gcra(self._user_rpm, MINUTE_S, max(1.0, self._user_rpm))
        self._tenant_rate = Gcra(self._tenant_rpm, MINUTE_S, max(1.0, self._tenant_rpm))

    def rate_wait(self, caller: Caller, now: float) -> tuple[float, str]:
        """Seconds until the rates admit one more request, and whose rate it is that does not; ``(0, "")`` for now."""
        user_s = self._user_rate.wait_s((caller.tenant, caller.user), now) if caller.user else 0.0
        tenant_s = self._tenant_rate.wait_s(caller.tenant, now) if caller.tenant else 0.0
        if user_s <= 0 and tenant_s <= 0:
            return 0.0, ""
        whose, rpm = ("tenant", self._tenant_rpm) if tenant_s > user_s else ("user", self._user_rpm)
        return max(
            user_s, tenant_s
        ), f"{whose} {getattr(caller, whose)!r:.80} has used up its {rpm:g} requests per minute"

    def take(self, caller: Caller, now: float) -> None:
        """A request that `rate_wait` lets pass comes in."""
        if caller.user:
            self._user_rate.take((caller.tenant, caller.user), now)
        if caller.tenant:
            self._tenant_rate.take(caller.tenant, now)
