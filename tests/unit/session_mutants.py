"""Ways to break the sessions, each of which their tests must catch; run it as `ledger_mutants.py` is run."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.unit.mutants import Mutant, try_all

TESTS = [
    "tests/unit/test_lines.py",
    "tests/unit/test_transcripts.py",
    "tests/unit/test_sessions.py",
    "tests/unit/store/test_sqlite_sessions.py",
    "tests/unit/test_session_machine.py",
]

TURNS, ERASURE, LINES = "store/turns.py", "store/erasure.py", "lines.py"
SESSIONS, TRANSCRIPTS = "sessions.py", "transcripts.py"

MUTANTS = [
    Mutant(
        "whoever remembers a conversation is believed: another process's turn is not seen",
        TURNS,
        "return None if claim.exists and claim.head == (live or head) else Moved()",
        "return None",
    ),
    Mutant(
        "a run under way elsewhere is no obstacle",
        TURNS,
        "if holder is not None and holder not in given_up:",
        "if False:",
    ),
    Mutant("a session that was deleted is continued", TURNS, "return Moved() if claim.exists else None", "return None"),
    Mutant(
        "who comes late becomes the head, whoever has the session now",
        TURNS,
        "AND session = ? AND live = ?",
        "AND session = ? AND ? <> ''",
    ),
    Mutant("memory is shared by users", TRANSCRIPTS, "self._kept[key] = kept", "self._kept[('', '', key[2])] = kept"),
    Mutant(
        "memory only grows",
        TRANSCRIPTS,
        "while len(self._kept) > self._most or self.size_bytes > self._most_bytes:",
        "while False:",
    ),
    Mutant("bytes are not counted", TRANSCRIPTS, "self.size_bytes > self._most_bytes", "False"),
    Mutant("nothing leaves memory by age", TRANSCRIPTS, "if self._kept[key].until > now:", "if True:"),
    Mutant("the line has no order", LINES, "line.waiting.append(place)", "line.waiting.appendleft(place)"),
    Mutant("the line has no end", LINES, "if len(line.waiting) >= self._max_waiting:", "if False:"),
    Mutant("who waits no more blocks the line", LINES, "if not following.ready.done():", "if True:"),
    Mutant("an interruption waits behind all others", LINES, "insert(len(before), place)", "append(place)"),
    Mutant("an interruption cancels nothing", LINES, "for one in (line.holder, *before):", "for one in before:"),
    Mutant("nothing expires", SESSIONS, "return used_at + self.expire_s <= self.clock.now()", "return False"),
    Mutant(
        "an id of ours is made at first use, whoever names it",
        SESSIONS,
        "if row is None and session.startswith(OWN_PREFIX):",
        "if False:",
    ),
    Mutant(
        "the second look believes the memory that the first one believed",
        SESSIONS,
        "self._turns.transcripts.drop(self._key)",
        "pass",
    ),
    Mutant(
        "a purge takes sessions with a run under way",
        ERASURE,
        "WHERE run_id = live AND expires_at > ?))\n",
        "WHERE run_id = live AND expires_at > ? AND 0))\n",
    ),
    Mutant(
        "who slept while he was deleted writes on",
        ERASURE,
        'cursor.executemany("DELETE FROM leases WHERE run = ?", ids)',
        "",
    ),
    Mutant("a user is erased while a run of his is under way", ERASURE, "if under_way:", "if False:"),
    Mutant("nobody ends an erasure that was cut short", ERASURE, "if strip_some(cursor, now):", "if False:"),
    Mutant("erased words stay in the file", ERASURE, "PRAGMA secure_delete = ON", "PRAGMA secure_delete = OFF"),
    Mutant(
        "a user without a customer takes the sessions of a customer of that name along",
        ERASURE,
        "return name_parts(account)[:2] == (self._tenant, self._user)",
        "return True",
    ),
    Mutant(
        "memory is believed though the session has expired",
        SESSIONS,
        "if kept is not None and not turns.is_expired(kept.used_at):",
        "if kept is not None:",
    ),
    Mutant(
        "who lost the first race gives up if its time is over",
        SESSIONS,
        "if self._moves > 1 and self._turns",
        "if self._turns",
    ),
    Mutant(
        "who waits for another process is not refused at once though it asked",
        SESSIONS,
        'if self._on_busy == "reject" or left_s <= 0:',
        "if left_s <= 0:",
    ),
    Mutant(
        "users of one name in two tenants are forgotten together",
        TRANSCRIPTS,
        "if key[:2] == (tenant, user)]",
        "if key[1] == user]",
    ),
    Mutant(
        "what a run of the user left in memory while he was erased stays",
        "conversations.py",
        "            self._turns.transcripts.drop_user(tenant, user)\n",
        "            pass\n",
    ),
    Mutant(
        "a purge ends after its first transaction",
        "conversations.py",
        "            done, more = await self._store.sessions.purge(before)\n",
        "            done, more = await self._store.sessions.purge(before)\n            more = False\n",
    ),
]

if __name__ == "__main__":
    sys.exit(try_all(MUTANTS, TESTS))
