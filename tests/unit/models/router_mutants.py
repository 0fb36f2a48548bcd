"""Ways to break pace, breaker, gate and retries, each of which their tests must catch; run as `ledger_mutants.py` is."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.unit.mutants import Mutant, try_all

TESTS = [
    "tests/unit/test_retry.py",
    "tests/unit/models/test_router.py",
    "tests/unit/models/test_line_review.py",
    "tests/unit/test_fair_queue.py",
    "tests/unit/models/test_status.py",
    "tests/unit/test_fallback.py",
    "tests/unit/models/test_pacing.py",
]

PACE, BREAKER, GATE, PERMIT, ROUTER = (f"models/{name}.py" for name in ("pace", "breaker", "gate", "permit", "router"))
RETRY, PASSAGE = "retry.py", "passage.py"

MUTANTS = [
    Mutant("each overload cuts, however rare it is", PACE, "if self._strikes <= SLACK * used:", "if False:"),
    Mutant("no overload ever cuts", PACE, "if self._strikes <= SLACK * used:", "if True:"),
    Mutant("strikes are never paid off", PACE, "max(0.0, self._strikes - TOLERANCE)", "self._strikes"),
    Mutant(
        "what counts is the concurrency that is set, not the calls that there are",
        PACE,
        "used = min(self.allowed, self.peak)",
        "used = self.allowed",
    ),
    Mutant("every refusal of a round cuts anew", PACE, "if taken_at <= self._cut_at:", "if False:"),
    Mutant(
        "a storm is followed down below what was let in",
        PACE,
        "min(self.allowed, max(self.in_flight, self.allowed - 1))",
        "min(self.allowed, self.allowed - 1)",
    ),
    Mutant(
        "a storm is not followed down",
        PACE,
        "max(1.0, min(self.allowed, max(self.in_flight, self.allowed - 1)))",
        "self.allowed",
    ),
    Mutant("after an overload the concurrency stays small", PACE, "(1 + self._rounds / PATIENCE)", "0"),
    Mutant("it comes back by one a round for ever", PACE, "(1 + self._rounds / PATIENCE)", "1"),
    Mutant(
        "the concurrency grows beyond what is set", PACE, "min(float(self.most), self.allowed + ", "(self.allowed + "
    ),
    Mutant(
        "one call too many goes at once",
        PACE,
        "if key.in_flight + 1 > key.allowed or",
        "if key.in_flight > key.allowed or",
    ),
    Mutant("a tolerated refusal holds everybody back", PACE, "if is_meant and retry_after_s:", "if retry_after_s:"),
    Mutant("nobody heeds Retry-After", PACE, "if is_meant and retry_after_s:", "if False:"),
    Mutant("a provider can hold us back for a day", PACE, "min(retry_after_s, MAX_PAUSE_S)", "retry_after_s"),
    Mutant("any refusal costs a share of the rate", PACE, "if refused and said.left < taken.amount:", "if refused:"),
    Mutant(
        "what others use is seen as often as calls tell of it",
        PACE,
        "expected = taken.level - bucket.moved - since",
        "expected = taken.level - since",
    ),
    Mutant(
        "our own later calls are taken for those of others",
        PACE,
        "expected = taken.level - bucket.moved - since",
        "expected = taken.level - bucket.moved",
    ),
    Mutant(
        "a bucket overflows",
        PACE,
        "self.level = level if level < self.capacity else self.capacity  # noqa: FURB136 - min",
        "self.level = level  # noqa: FURB136 - min",
    ),
    Mutant("what was held and not used is lost", PERMIT, "of_key.give_back(unused)", "of_key.give_back(0)"),
    Mutant("a slot is given back twice as large", PERMIT, "in_flight -= 1", "in_flight -= 2"),
    Mutant("what was never sent counts", PERMIT, "if not error.sent:", "if False:"),
    Mutant(
        "a call that ends wakes nobody up",
        PERMIT,
        "if not sent:\n            self._unsend()\n        self.route.breaker.forget(probe=self._probe)\n        if self._gate.waiting:",
        "if not sent:\n            self._unsend()\n        self.route.breaker.forget(probe=self._probe)\n        if False:",
    ),
    Mutant("a refusal is a death", PERMIT, "elif isinstance(error, ModelRefused):", "elif False:"),
    Mutant("a breaker never opens", BREAKER, "self.is_closed = self._probing = False", "self._probing = False"),
    Mutant(
        "one user's failures open it like those of many",
        BREAKER,
        "elif len(self._culprits) < self._settings.failures:\n            self._culprits.add(culprit)",
        "else:\n            self._sure += 1",
    ),
    Mutant("one user alone never opens it", BREAKER, "or self._streak >= LONE_FACTOR * least", ""),
    Mutant(
        "an answer does not end the streak",
        BREAKER,
        "self._streak = self._sure = 0\n        self._culprits: set",
        "self._streak = self._sure = getattr(self, '_sure', 0)\n        self._culprits: set",
    ),
    Mutant(
        "several probes go at once", BREAKER, "now >= self._probes_at and not self._probing", "now >= self._probes_at"
    ),
    Mutant("the cool-down never grows", BREAKER, "2 * self._cooldown_s", "self._cooldown_s"),
    Mutant(
        "the cool-down has no end",
        BREAKER,
        "min(self._settings.max_cooldown_s, 2 * self._cooldown_s)",
        "2 * self._cooldown_s",
    ),
    Mutant("a burst that is turned away opens it", BREAKER, "if begun_at < self._round_at:", "if False:"),
    Mutant(
        "a cancelled probe is waited for forever",
        BREAKER,
        "if probe:\n            self._probing = False\n\n",
        "if False:\n            self._probing = False\n\n",
    ),
    Mutant("who comes later goes first", ROUTER, "if self._gate.waiting or not route.pace", "if not route.pace"),
    Mutant(
        "small calls overtake a large one", GATE, "line.admit(waiter, now, reserved)", "line.admit(waiter, now, set())"
    ),
    Mutant("who cancels keeps the permit", GATE, "self._undo(future.result())", "future.result()"),
    Mutant("any number may wait", GATE, "if self.waiting >= self._max_waiting:", "if False:"),
    Mutant(
        "who waits in vain is not told before its deadline",
        GATE,
        "        if left < MAX_AT_ONCE and now >= self._review_at:\n            self._review(now)\n",
        "",
    ),
    Mutant(
        "a line is believed to the letter",
        GATE,
        "(self._let_in + 2 * math.sqrt(self._let_in) + leeway + 1)",
        "self._let_in",
    ),
    Mutant(
        "a provider that gets over a storm is measured by the storm",
        ROUTER,
        "if route.pace.key.is_strained or route.pace.resume_at > now or route.breaker.is_troubled:",
        "if False:",
    ),
    Mutant(
        "the time of a storm counts when it is over",
        GATE,
        "                    queue.measure_anew()\n",
        "                    pass\n",
    ),
    Mutant(
        "who is refused still counts as waiting",
        GATE,
        "                self.waiting -= queue.behind.remove(who, waiters)\n",
        "                queue.behind.remove(who, waiters)\n",
    ),
    Mutant(
        "who is refused stands in the line all the same",
        GATE,
        "                self.waiting -= queue.behind.remove(who, waiters)\n",
        "                self.waiting -= len(waiters)\n",
    ),
    Mutant(
        "those who wait are looked through key by key",
        "fair_queue.py",
        "            lanes = going\n",
        "            lanes = going[:1]\n",
    ),
    Mutant(
        "a retry goes the way that failed",
        ROUTER,
        "free = [route for route in free if route is not avoid] or free",
        "pass",
    ),
    Mutant("retries are free", RETRY, "self._left -= 1", "self._left -= 0"),
    Mutant("the share of retries is saved up without end", RETRY, "if left < self._most:", "if True:"),
    Mutant(
        "one user may use up the retries of all",
        RETRY,
        "if self._left < 1 or taken >= self._left:",
        "if self._left < 1:",
    ),
    Mutant("the reserve never comes back", RETRY, "if self._left < self._reserve:", "if False:"),
    Mutant("the reserve comes back beyond itself", RETRY, "min(self._reserve, self._left + (now", "(self._left + (now"),
    Mutant(
        "who retried is remembered for ever",
        RETRY,
        "now >= self._window_ends or len(self._taken) >= MAX_USERS",
        "len(self._taken) >= MAX_USERS",
    ),
    Mutant(
        "users are remembered without a bound",
        RETRY,
        "now >= self._window_ends or len(self._taken) >= MAX_USERS",
        "now >= self._window_ends",
    ),
    Mutant("attempts have no end", RETRY, "attempt >= settings.attempts or not", "not"),
    Mutant("a retry does not wait for Retry-After", RETRY, "(0.0 if elsewhere else error.retry_after_s or 0.0)", "0.0"),
    Mutant(
        "a wait goes beyond the deadline",
        RETRY,
        "return delay if clock.monotonic() + delay < deadline else None",
        "return delay",
    ),
    Mutant(
        "a malformed request goes to every model",
        "fallback.py",
        "return error.status in OF_THE_ACCOUNT or",
        "return True or",
    ),
    Mutant(
        "no credit is a request of our own making", "models/status.py", "or text.lower().startswith(_UNPAID_TEXT)", ""
    ),
    Mutant(
        "who left still has the line behind him wait",
        GATE,
        "            self.dispatch()  # whoever stood behind may have room\n",
        "            pass\n",
    ),
    Mutant(
        "a call that was not sent counts in the requests",
        PERMIT,
        "        self._requests.give_back(1)\n",
        "        pass\n",
    ),
    Mutant("all processes probe at the same moment", BREAKER, "* (1 + self._clock.random() / 2)", ""),
]

if __name__ == "__main__":
    sys.exit(try_all(MUTANTS, TESTS))
