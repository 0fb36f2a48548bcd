"""A process that talks in one session, for `test_session_kill`. Arguments: database, name, number of turns, seconds of a lease.

It prints a line for each turn that ended; with ``hang`` as the number it begins a turn, says so, and never ends it.
"""

from __future__ import annotations

import asyncio
import os
import sys

from surefoot import Agent, Runtime, Settings
from surefoot.sections import AdmissionSettings, StoreSettings
from surefoot.testing import ScriptedModel, say

MANY = AdmissionSettings(user_requests_per_minute=1_000_000, user_queue=1_000)


def tell(line: str) -> None:
    """In one system call, so that a kill cuts nothing."""
    os.write(1, f"{line}\n".encode())


async def main(path: str, name: str, turns: str, lease_s: str) -> None:
    async def reply(messages, step):
        if turns == "hang":
            tell("begun")
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return say(f"re {messages[-1].text}")

    agent = Agent(ScriptedModel(reply))
    settings = Settings(store=StoreSettings(path=path, lease_s=float(lease_s)), admission=MANY)
    async with Runtime(settings=settings) as runtime:
        for number in range(1 if turns == "hang" else int(turns)):
            await runtime.run(agent, f"{name}.{number}", user="u", session="s")
            tell(f"{name}.{number}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
