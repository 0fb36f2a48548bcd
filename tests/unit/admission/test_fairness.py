"""A discrete-event check of Admission alone: one user's flood, and what the others feel of it."""

import asyncio
import random

import pytest
from tests.unit.admission.virtual import VirtualClock, VirtualLoop, run_virtually

from surefoot.admission import Admission
from surefoot.caller import Caller
from surefoot.config import Settings
from surefoot.sections import AdmissionSettings, Tenant

OTHERS = 99
SECONDS = 30
FLOOD = 5_000
RUN_S = 0.5
RAISED = AdmissionSettings(
    user_requests_per_minute=1_000_000,
    user_runs=64,  # even if the flood may fill every slot: it is the queue that is fair
    user_queue=FLOOD,
    runs=64,
    queue=2 * FLOOD,
    max_wait_s=100_000.0,
    target_wait_s=100_000.0,
)


async def feel(loop, seed, *, flood):
    """Latencies of 99 users with one request a second each, through slots that suffice for them with little to spare."""
    chance = random.Random(seed)
    admission = Admission(Settings(admission=RAISED), VirtualClock(loop))
    latencies = []

    async def ask(user, run_s):
        came = loop.time()
        async with admission.enter(Caller(user)):
            await asyncio.sleep(run_s)
        if user != "flood":
            latencies.append(loop.time() - came)

    async def ask_every_second(user):
        await asyncio.sleep(chance.random())
        for _ in range(SECONDS):
            tasks.append(asyncio.create_task(ask(user, chance.expovariate(1 / RUN_S))))
            await asyncio.sleep(1)

    flooding = [asyncio.create_task(ask("flood", chance.expovariate(1 / RUN_S))) for _ in range(FLOOD * flood)]
    tasks = []
    await asyncio.gather(*[ask_every_second(f"u{number}") for number in range(OTHERS)])
    await asyncio.gather(*tasks)
    for task in flooding:
        task.cancel()
    await asyncio.gather(*flooding, return_exceptions=True)
    assert (admission.state().running, admission.state().waiting, admission.state().users) == (0, 0, 0)
    assert len(latencies) == OTHERS * SECONDS
    return sorted(latencies)[int(len(latencies) * 0.99)]


@pytest.mark.parametrize("seed", range(20))
def test_a_flood_of_one_user_leaves_the_others_p99_within_20_per_cent(seed):
    calm = run_virtually(feel(loop := VirtualLoop(), seed, flood=False), loop)
    flooded = run_virtually(feel(loop := VirtualLoop(), seed, flood=True), loop)
    assert flooded <= calm * 1.2, f"seed {seed}: p99 {calm:.3f} s without the flood, {flooded:.3f} s with it"


async def share(loop, weight):
    """How many of the runs of a busy minute were the heavier tenant's."""
    settings = Settings(
        admission=AdmissionSettings(
            user_requests_per_minute=1e6, tenant_requests_per_minute=1e6, user_runs=50, user_queue=1_000, runs=10,
            queue=5_000, max_wait_s=1e6, target_wait_s=1e6,
        ),
        tenants={"gold": Tenant(weight=weight)},
    )  # fmt: skip
    admission = Admission(settings, VirtualClock(loop))
    served = []

    async def ask(tenant):
        async with admission.enter(Caller("u", "", tenant)):
            served.append(tenant)
            await asyncio.sleep(1)

    tasks = [asyncio.create_task(ask(tenant)) for _ in range(300) for tenant in ("plain", "gold")]
    await asyncio.sleep(30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return served[10:].count("gold") / len(served[10:])


@pytest.mark.parametrize("weight", [1.0, 1.5, 3.0])
def test_weights_are_shares(weight):
    got = run_virtually(share(loop := VirtualLoop(), weight), loop)
    assert abs(got - weight / (1 + weight)) < 0.02
