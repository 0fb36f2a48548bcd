"""The provider of the canary test, in a process of its own: it looks for canaries in every prompt, and echoes them.

    python canary_provider.py 500

The first 500 requests are answered after `GATHER_S`, so that as many are under way at once however slow the machine is;
the others at once or nearly so. It prints its base URL, serves until its stdin ends, and then prints what it has seen as JSON.
"""

import asyncio
import json
import re
import sys

from surefoot.testing import Brain, FakeProvider
from surefoot.testing.brain import CANARY

MOST_TOLD = 20
GATHER_S = 5.0
SEEN = {"prompts": 0, "streams": 0, "mixed": 0, "without": 0, "examples": [], "most_in_flight": 0}
CANARIES = re.compile(CANARY.encode())


def look(request):
    """Any two canaries in one prompt belong to two users."""
    found = set(CANARIES.findall(request.body))
    SEEN["prompts"] += 1
    SEEN["streams"] += request.stream
    SEEN["without"] += not found
    if len(found) > 1:
        SEEN["mixed"] += 1
        if len(SEEN["examples"]) < MOST_TOLD:
            SEEN["examples"].append(sorted(canary.decode() for canary in found)[:5])
    return BRAIN


BRAIN = Brain(calls=1, echo=True)


async def main():
    first = iter(range(int(sys.argv[1])))

    def latency_s(chance):
        return chance.uniform(0.0, 0.05) if next(first, None) is None else GATHER_S

    provider = FakeProvider(look, api_key="", latency_s=latency_s, record=1)
    done = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, done.set)
    async with provider:
        print(provider.base_url, flush=True)
        await done.wait()
        SEEN["most_in_flight"] = provider.stats.max_in_flight
        print(json.dumps(SEEN), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
