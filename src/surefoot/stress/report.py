"""The report of a stress test as figures; drawing them is done elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from surefoot.journal.events import ModelFailed
from surefoot.journal.tally import decode_tally
from surefoot.runtime import Runtime
from surefoot.store.base import RunRow
from surefoot.stress.figures import Bin, Spread, histogram, most_frequent, spread
from surefoot.stress.gauges import Gauges, Sample
from surefoot.stress.load import REFUSED
from surefoot.stress.plan import Plan
from surefoot.stress.score import Moment, Score, UserScore, slice_time

SLICES: Final = 60
"""Parts of the test's time that charts show."""
SHOWN_USERS: Final = 10
MAX_JOURNALS: Final = 2_000
"""Journals read for the reasons of failed model calls; beyond, they are counted without one."""
NOT_NOW: Final = "model_overloaded"
"""Code of a provider's 409, 425, 429, 503 and 529."""
UNREAD: Final = "(not read)"


class Spent(Struct):
    """What the runs of a test used, by their rows and journals.

    Attributes:
        runs: Runs on record.
        unended: Runs among them without an end; what they used is not in the sums.
        model_calls: Wire attempts.
        failed_calls: Attempts among them that gave no reply, by the error's code.
        tool_calls: Calls of tools.
        input_tokens: Tokens of prompts, of the calls whose usage is known.
        output_tokens: Generated tokens, of the same.
        cached_tokens: Part of ``input_tokens`` that the provider had cached.
        tokens: Tokens charged.
        nano: Nano-dollars charged.
    """

    runs: int = 0
    unended: int = 0
    model_calls: int = 0
    failed_calls: dict[str, int] = {}
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    nano: int = 0

    @property
    def cached_share(self) -> float:
        """Share of the prompts' tokens that the provider had cached, 0 to 1."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0

    def add(self, row: RunRow) -> int:
        """Count a run; how many of its attempts failed."""
        self.runs += 1
        self.unended += row.status != "finished"
        self.model_calls += row.model_calls
        self.tool_calls += row.tool_calls
        self.tokens += row.tokens
        self.nano += row.nano
        failed = 0
        for tally in decode_tally(row.usage).models.values():
            failed += tally.failed
            self.input_tokens += tally.usage.input_tokens
            self.output_tokens += tally.usage.output_tokens
            self.cached_tokens += tally.usage.cache_read_tokens
        return failed


async def read_spent(runtime: Runtime, since: float) -> Spent:
    """What the runs that began since that wall time used."""
    spent, failed, read = Spent(), Counter[str](), 0
    async for page in runtime.scan_runs(since=since):
        for row in page:
            failures = spent.add(row)
            if not failures:
                continue
            if read >= MAX_JOURNALS:
                failed[UNREAD] += failures
                continue
            read += 1
            _, events = await runtime.read_run(row.run_id)
            failed.update([event.code for event in events if isinstance(event, ModelFailed)])
    spent.failed_calls = dict(most_frequent(failed))
    return spent


class Report(Struct, frozen=True, kw_only=True):
    """What a stress test found.

    Attributes:
        plan: What was asked for.
        model: Model string.
        endpoint: Where the model is, fit for everybody's eyes.
        began_at: Wall time of the beginning, seconds.
        outcome: ``done``; ``interrupted`` when it was stopped before all requests were made.
        total: Requests made.
        succeeded: Requests that were answered.
        failed: Requests that were not.
        failures: Failed requests by reason, the most frequent first.
        examples: The first error of a reason, in its words.
        seconds: Time from the first request to the last end.
        throughput_per_s: Requests that ended, for each second.
        latency_s: Latency of the answers, seconds.
        latency_bins: The same as a histogram.
        refused: 429s of Surefoot's own admission.
        not_now: Attempts that the provider turned away (429, 503, 529).
        fairness: Jain's index over the users' answers for each second of waiting.
        users: Users behind the requests.
        worst: The least served users, the worst first.
        rates_per_s: Every user's answers for each second of waiting, the worst first.
        spent: What the runs used.
        loop_lag_s: How late the event loop was, seconds.
        peak_mb: Most resident memory, 10⁶ bytes.
        begin_mb: Resident memory before the first request.
        cpu_s: CPU time of this process, seconds.
        moments: The test in slices of time.
        samples: Requests under way and memory, sampled.
        notes: What was to be expected, in sentences.
    """

    plan: Plan
    model: str
    endpoint: str
    began_at: float
    outcome: Literal["done", "interrupted"]
    total: int
    succeeded: int
    failed: int
    failures: Sequence[tuple[str, int]]
    examples: dict[str, str]
    seconds: float
    throughput_per_s: float
    latency_s: Spread
    latency_bins: Sequence[Bin]
    refused: int
    not_now: int
    fairness: float
    users: int
    worst: Sequence[UserScore]
    rates_per_s: Sequence[float]
    spent: Spent
    loop_lag_s: Spread
    peak_mb: float
    begin_mb: float
    cpu_s: float
    moments: Sequence[Moment]
    samples: Sequence[Sample]
    notes: Sequence[str] = ()

    @property
    def failed_share(self) -> float:
        """Share of the requests made that failed."""
        return self.failed / self.total if self.total else 0.0


def make_report(
    plan: Plan,
    score: Score,
    gauges: Gauges,
    spent: Spent,
    *,
    model: str,
    endpoint: str,
    began_at: float,
    interrupted: bool,
    notes: Sequence[str] = (),
) -> Report:
    """The report of a test that is over."""
    answered = score.answered_s()
    seconds = max(score.ended_s, default=0.0)
    worst = score.worst_first()
    return Report(
        plan=plan,
        model=model,
        endpoint=endpoint,
        began_at=began_at,
        outcome="interrupted" if interrupted else "done",
        total=score.ended,
        succeeded=score.succeeded,
        failed=score.failed,
        failures=most_frequent(score.failures),
        examples=score.examples,
        seconds=seconds,
        throughput_per_s=score.ended / seconds if seconds else 0.0,
        latency_s=spread(answered),
        latency_bins=histogram(answered),
        refused=sum(count for reason, count in score.failures.items() if reason.startswith(REFUSED)),
        not_now=spent.failed_calls.get(NOT_NOW, 0),
        fairness=score.fairness(),
        users=len(score.users),
        worst=worst[:SHOWN_USERS],
        rates_per_s=[user.rate_per_s for user in worst],
        spent=spent,
        loop_lag_s=spread(gauges.lag.lags_s),
        peak_mb=gauges.peak_mb,
        begin_mb=gauges.begin_mb,
        cpu_s=gauges.used_cpu_s,
        moments=slice_time(score, seconds, SLICES),
        samples=gauges.samples,
        notes=notes,
    )
