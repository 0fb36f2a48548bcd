"""Ways to break admission, each of which its tests must catch: documentation of what they hold.

``python tests/unit/admission/admission_mutants.py`` breaks a copy of the source in each way, runs the tests of admission
against it, and prints whether they fail. It exits with 1 if a mutant survives. ``test_admission_mutants.py`` keeps the list
true.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.unit.mutants import Mutant, try_all

TESTS = [f"tests/unit/admission/test_{name}.py" for name in ("arrivals", "machine", "review", "runs", "fairness")]

ADMISSION, TURNS, RIGHTS, OVERLOAD, OUTLOOK = (
    f"{name}.py" for name in ("admission", "turns", "entitlements", "overload", "outlook")
)

MUTANTS = [
    Mutant(
        "a user has one run more than allowed",
        TURNS,
        "is_ready = bool(user.items) and user.running < user.runs",
        "is_ready = bool(user.items) and user.running <= user.runs",
    ),
    Mutant(
        "a tenant's limit is not looked at when a slot is given away",
        TURNS,
        "is_ready = bool(tenant.ready) and tenant.running < tenant.runs",
        "is_ready = bool(tenant.ready)",
    ),
    Mutant(
        "all together have one run more than allowed",
        ADMISSION,
        "while everybody.running < everybody.runs:",
        "while everybody.running <= everybody.runs:",
    ),
    Mutant(
        "a slot that is given back wakes nobody",
        ADMISSION,
        "                self._dispatch(now)\n",
        "",
    ),
    Mutant(
        "one slot that is given back wakes at most one who waits, though he may have left",
        ADMISSION,
        "            if ticket.future.done():  # its task was cancelled, and has not run since\n"
        "                self._drop(ticket, user, now)\n",
        "            if ticket.future.done():\n                self._drop(ticket, user, now)\n                return\n",
    ),
    Mutant(
        "who was given a slot and left before it ran keeps it",
        ADMISSION,
        'elif stage in ("granted", "running"):',
        'elif stage == "granted":\n            return\n        elif stage == "running":',
    ),
    Mutant(
        "a slot given to who has just left counts as a run of no time",
        ADMISSION,
        'if stage == "running":  # it was more',
        'if stage != "gone":  # it was more',
    ),
    Mutant(
        "a user's requests are served the last one first",
        TURNS,
        "item = user.items.popleft()",
        "item = user.items.pop()",
    ),
    Mutant(
        "whose turn it was has the next one, too",
        TURNS,
        "        tenant.ready.move_to_end(user_name)\n",
        "",
    ),
    Mutant(
        "a tenant's turn never ends",
        TURNS,
        "            self._ring.move_to_end(name)\n",
        "            pass\n",
    ),
    Mutant(
        "weights count for nothing",
        TURNS,
        "quantum = tenant.weight * len(tenant.ready)",
        "quantum = 1.0 * len(tenant.ready)",
    ),
    Mutant(
        "a tenant has one turn in a round, however many users it has",
        TURNS,
        "quantum = tenant.weight * len(tenant.ready)",
        "quantum = tenant.weight",
    ),
    Mutant(
        "a refused request has used its unit of the rate",
        ADMISSION,
        "            rights.give_back(caller)\n",
        "",
    ),
    Mutant(
        "the rate admits whatever comes",
        ADMISSION,
        "        wait_s, told = rights.take(caller, now)\n",
        '        wait_s, told = 0.0, ""\n',
    ),
    Mutant(
        "all users of a tenant share the rate of one",
        RIGHTS,
        "self._user_rate.take((_shorten(caller.tenant), _shorten(caller.user)), now)",
        "self._user_rate.take((_shorten(caller.tenant), ''), now)",
    ),
    Mutant(
        "two tenants' users of one name share a rate",
        RIGHTS,
        "self._user_rate.take((_shorten(caller.tenant), _shorten(caller.user)), now)",
        "self._user_rate.take(('', _shorten(caller.user)), now)",
    ),
    Mutant(
        "a tenant's rate is not asked",
        RIGHTS,
        "self._tenant_rate.take(_shorten(caller.tenant), now)",
        "0.0",
    ),
    Mutant(
        "a queue has no limit",
        ADMISSION,
        "if level.waiting >= level.queue + free:",
        "if level.waiting >= level.queue + free + 1_000_000:",
    ),
    Mutant(
        "the own queue is the only one with a limit",
        ADMISSION,
        "        for level in user.levels:\n            if level.waiting >=",
        "        for level in user.levels[:1]:\n            if level.waiting >=",
    ),
    Mutant(
        "who waits does so for ever",
        ADMISSION,
        "ticket.timer = loop.call_later(max(0.0, ticket.expires - now), self._expire, ticket)",
        "ticket.timer = loop.call_later(1e9, self._expire, ticket)",
    ),
    Mutant(
        "a slot that comes too late starts the run all the same",
        ADMISSION,
        "elif now >= ticket.expires:",
        "elif now > ticket.expires + 1e9:",
    ),
    Mutant(
        "who waits in vain is not told before its time is over",
        ADMISSION,
        "                if now >= self._review_at:\n                    self._review(now)\n",
        "",
    ),
    Mutant(
        "those who wait are looked through at each end of a run",
        ADMISSION,
        "now if len(late) >= REVIEW_MOST else now + REVIEW_EVERY_S",
        "now",
    ),
    Mutant(
        "who waits is refused on the word of one run",
        "run_times.py",
        "        if runs.count < 2:\n            return 0.0\n",
        "        if runs.count < 2:\n            return runs.value\n",
    ),
    Mutant(
        "who waits is refused on a mean that is not sure",
        "run_times.py",
        "max(0.0, runs.value - _SURE * math.sqrt(runs.variance / (runs.count - 1)))",
        "runs.value",
    ),
    Mutant(
        "the slots that are taken now count as if they came free last",
        OUTLOOK,
        "rounds = place / level.runs - 1",
        "rounds = place / level.runs",
    ),
    Mutant(
        "who waits in vain is before others all the same",
        OUTLOOK,
        "                places[level] -= 1\n",
        "                pass\n",
    ),
    Mutant(
        "only the slots of all are looked at",
        OUTLOOK,
        "[level for level in user.levels if level.waiting > level.runs]",
        "[level for level in user.levels[2:] if level.waiting > level.runs]",
    ),
    Mutant(
        "users are looked through one after the other",
        OUTLOOK,
        "islice(items, int(number * weight) - int((number - 1) * weight))",
        "items",
    ),
    Mutant(
        "weights count for nothing when it is looked who waits in vain",
        OUTLOOK,
        "(user, user.tenant.weight, iter(user.items)",
        "(user, 1.0, iter(user.items)",
    ),
    Mutant(
        "a deadline is not looked at on arrival",
        ADMISSION,
        "if wait_s + run_s > seconds:",
        "if wait_s + run_s > seconds + 1e9:",
    ),
    Mutant(
        "work is refused on an estimate though a slot is free",
        ADMISSION,
        "                if free <= 0:\n",
        "                if free <= 1_000:\n",
    ),
    Mutant(
        "a request that the tenant's rate refuses has used its unit of the user's",
        RIGHTS,
        "                if caller.user:\n                    self._user_rate.give_back((_shorten(caller.tenant), _shorten(caller.user)), 1.0)\n",
        "",
    ),
    Mutant(
        "who left the queue still counts as waiting",
        ADMISSION,
        "        self._turns.drop(user, now)\n        if ticket.timer",
        "        if ticket.timer",
    ),
    Mutant(
        "the timer of who waits no longer goes on",
        ADMISSION,
        "        self._turns.drop(user, now)\n        if ticket.timer is not None:\n            ticket.timer.cancel()",
        "        self._turns.drop(user, now)",
    ),
    Mutant(
        "a user who was here is remembered for ever",
        TURNS,
        "            del self.users[tenant.name, user.name]\n",
        "            pass\n",
    ),
    Mutant(
        "a run that a tool begins waits for a slot of its own",
        ADMISSION,
        "            if outer:\n",
        "            if outer == 'nowhere':\n",
    ),
    Mutant(
        "a tool may begin as many runs at once as it likes",
        ADMISSION,
        "if self._inner.get(outer, 0) >= most:",
        "if self._inner.get(outer, 0) >= most * 1_000:",
    ),
    Mutant(
        "nothing is ever shed",
        ADMISSION,
        "        if depth := overload.depth(now):\n",
        "        if (depth := overload.depth(now)) < 0:\n",
    ),
    Mutant(
        "who has nothing under way is shed as well",
        ADMISSION,
        "            if under_way >= most:\n",
        "            if under_way >= 0:\n",
    ),
    Mutant(
        "a burst is an overload",
        OVERLOAD,
        "return min(MAX_DEPTH, int(self.above_s(now) / INTERVAL_S))",
        "return min(MAX_DEPTH, 1 + int(self.above_s(now) / INTERVAL_S)) if self.above_s(now) else 0",
    ),
    Mutant(
        "a delay that was below its target meanwhile stands",
        OVERLOAD,
        "        if delay_s <= self.target_s:\n            self._above_since = None\n",
        "        if delay_s <= self.target_s:\n            pass\n",
    ),
    Mutant(
        "waiting for the own slots is an overload of all",
        TURNS,
        "return now - max(user.ready_since, user.tenant.ready_since)",
        "return now - user.ready_since",
    ),
    Mutant(
        "the time that a request waited does not count against its seconds",
        "starter.py",
        "arrived=None if ticket is None else ticket.arrived,",
        "arrived=None,",
    ),
    Mutant(
        "who waits for a session waits for ever",
        "starter.py",
        "asyncio.timeout(ticket.expires - desk.clock.monotonic())",
        "asyncio.timeout(1e6)",
    ),
    Mutant("weights count for nothing in what is told of a wait", TURNS, "* place / user.tenant.weight", "* place"),
    Mutant(
        "turns of users that left are kept by their tenant",
        TURNS,
        "tenant.deficit = min(tenant.deficit, quantum + 1) - 1",
        "tenant.deficit = tenant.deficit - 1",
    ),
    Mutant(
        "a level that is full twice counts once",
        OUTLOOK,
        "if place > level.runs * (1 + rounds):",
        "if place > level.runs:",
    ),
]


if __name__ == "__main__":
    sys.exit(try_all(MUTANTS, TESTS))
