"""What a tenant and its users may: limits and rates, from ``[admission]`` and ``[tenants.NAME]``."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from surefoot.caller import Caller
from surefoot.gcra import Gcra
from surefoot.sections import AdmissionSettings, Tenant

MINUTE_S: Final = 60.0
MOST_NAME_CHARS: Final = 40
"""Of a name that is remembered as it is: of a longer one its digest."""
_ADMITTED: Final = 0.0, ""


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

    def take(self, caller: Caller, now: float) -> tuple[float, str]:
        """Take a unit of both rates, or none: seconds until another try is worth it, 0 if taken, and whose rate it is.

        Nobody's user and no tenant have no rate.
        """
        if caller.user:
            wait_s = self._user_rate.take((_shorten(caller.tenant), _shorten(caller.user)), now)
            if wait_s > 0:
                if caller.tenant:
                    wait_s = max(wait_s, self._tenant_rate.wait_s(_shorten(caller.tenant), now))
                return wait_s, self._tell("user", caller.user, self._user_rpm)
        if caller.tenant:
            wait_s = self._tenant_rate.take(_shorten(caller.tenant), now)
            if wait_s > 0:
                if caller.user:
                    self._user_rate.give_back((_shorten(caller.tenant), _shorten(caller.user)), 1.0)
                return wait_s, self._tell("tenant", caller.tenant, self._tenant_rpm)
        return _ADMITTED

    def give_back(self, caller: Caller) -> None:
        """A request whose units were just taken is refused for another reason."""
        if caller.user:
            self._user_rate.give_back((_shorten(caller.tenant), _shorten(caller.user)), 1.0)
        if caller.tenant:
            self._tenant_rate.give_back(_shorten(caller.tenant), 1.0)

    @staticmethod
    def _tell(kind: str, name: str, rpm: float) -> str:
        return f"{kind} {name!r:.80} has used up its {rpm:g} requests per minute"


def _shorten(name: str) -> str:
    """A name as rates are kept by it: very many are remembered, and who asks may choose how long his is."""
    if len(name) <= MOST_NAME_CHARS:
        return name
    return f"#{blake2b(name.encode(), digest_size=MOST_NAME_CHARS // 2).hexdigest()}"  # too long to be a name's own
