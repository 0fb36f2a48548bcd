"""What recorded requests would have cost with other models, by the tokens that they used."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from surefoot.budget.rates import Rates, cost
from surefoot.journal.tally import ModelTally
from surefoot.reports.requests import Request


class Offer(Struct, frozen=True):
    """What the requests cost with one model.

    Attributes:
        model: Name as it was given.
        rates: Its prices.
        nano: Nano-dollars of all requests.
        saving: Share of the dearest model's cost that is saved, 0 to 1.
    """

    model: str
    rates: Rates
    nano: int
    saving: float


class Comparison:
    """Prices requests for other models; feed it every request.

    Attributes:
        requests: Requests that were priced.
        recorded_nano: What they cost as they ran.
        recorded_models: The models that they ran with.
        unended: Requests left out because one of their runs has not ended.
        unknown: Requests left out because a provider did not tell the usage of a call.
        empty: Requests left out because they were charged no tokens: a limit or the provider refused them.
    """

    def __init__(self, rates: Mapping[str, Rates]) -> None:
        """For these models, by name."""
        self.requests = self.recorded_nano = self.unended = self.unknown = self.empty = 0
        self.recorded_models: set[str] = set()
        self._rates = rates
        self._nano = dict.fromkeys(rates, 0)

    def add(self, request: Request) -> None:
        """Price one request, or count why it cannot be."""
        if not request.is_ended:
            self.unended += 1
        elif not request.knows_usage():
            self.unknown += 1
        elif not any(tally.tokens for _, tally in request.models):
            self.empty += 1
        else:
            self.requests += 1
            self.recorded_nano += request.used["usd"]
            self.recorded_models.update(name for name, _ in request.models)
            for name, rates in self._rates.items():
                self._nano[name] += sum([reprice(rates, tally) for _, tally in request.models])

    def offers(self) -> list[Offer]:
        """The models, the dearest first."""
        dearest = max(self._nano.values(), default=0)
        offers = [
            Offer(name, rates, self._nano[name], 1 - self._nano[name] / dearest if dearest else 0.0)
            for name, rates in self._rates.items()
        ]
        return sorted(offers, key=lambda offer: -offer.nano)


def reprice(rates: Rates, tally: ModelTally) -> int:
    """Nano-dollars, rounded up, of what a run used of one model, at the ordinary prices of another.

    A call's cost is rounded up, and this rounds once for all calls of a run: for the model that it ran with it gives
    what was charged, or up to one nano-dollar less for each call. Where longer prompts cost more, the average prompt
    of the run's calls decides, for a tally does not keep each call.
    """
    answered = tally.calls - tally.failed
    here = rates.at(tally.usage.input_tokens // answered if answered else 0)
    return cost(replace(here, tiers=()) if here.tiers else here, tally.usage)
