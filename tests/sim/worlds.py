"""Small hostile worlds, one for each seed: tight limits, and every fault that there is."""

from random import Random

from msgspec.structs import replace

from surefoot.config import Settings
from surefoot.providers import Provider
from surefoot.sections import AdmissionSettings, RetrySettings, SessionSettings, StoreSettings
from surefoot.testing.simulation.world import Arrivals, Clients, Faults, SimulatedModel, SimulatedTool, World


def draw_world(seed):
    """Any of them; every third with much of what seldom comes together by chance."""
    world = draw_any_world(seed)
    return CROWDS[seed // 3 % len(CROWDS)](world) if seed % 3 == 0 else world


def crowd_sessions(world):
    """Two processes whose disks stand still, and messages to the same sessions through both."""
    return replace(
        world,
        users=3,
        processes=2,
        arrivals=replace(world.arrivals, turns=6, sessions=1.0, flood_requests=0),
        clients=replace(world.clients, hasty=0.6, roam=0.7, cancel=0.0),
        faults=replace(world.faults, stalls=4, length_s=20.0),
    )


def crowd_children(world):
    """Runs that begin runs, side by side, in processes that crash."""
    return replace(
        world,
        model=replace(world.model, tool_steps=3, parallel=0.5),
        tool=replace(world.tool, children=0.7, latency_s=1.0),
        faults=replace(world.faults, crashes=3, restart_s=1.0),
    )


def crowd_windows(world):
    """Long conversations in small windows."""
    return replace(
        world,
        users=4,
        requests=60,
        arrivals=replace(world.arrivals, turns=12, sessions=1.0, flood_requests=0),
        model=replace(world.model, window=1_200, tool_steps=2, summariser="small:model"),
        faults=replace(world.faults, dead=0, outages=0),
    )


def crowd_providers(world):
    """A first provider that dies, a second one, and headers that say what is not so."""
    return replace(
        world,
        model=replace(world.model, fallback="spare:model", rpm=60, headers=True),
        faults=replace(world.faults, dead=2, outages=0, lies=0.15, length_s=20.0),
    )


CROWDS = [crowd_sessions, crowd_children, crowd_windows, crowd_providers]


def draw_any_world(seed):
    chance = Random(f"world {seed}")

    def some(share):
        return share if chance.random() < 0.5 else 0.0

    def few(most):
        return chance.randint(0, most)

    return World(
        seed=seed,
        users=chance.randint(1, 12),
        tenants=few(3),
        requests=chance.randint(20, 60),
        hours=chance.choice([0.05, 0.1, 0.3]),
        processes=chance.choice([1, 1, 2]),
        arrivals=Arrivals(
            pattern=chance.choice(["poisson", "burst"]),
            burst_s=chance.choice([0.0, 1.0, 20.0]),
            turns=chance.choice([1, 3, 6]),
            think_s=chance.choice([0.0, 1.0, 10.0]),
            sessions=chance.random(),
            flood_requests=chance.choice([0, 0, 30]),
        ),
        clients=Clients(
            retries=chance.randint(0, 4),
            obedient=chance.random(),
            hasty=chance.choice([0.02, 0.5]),
            cancel=some(0.2),
            stream=chance.random(),
            reject=some(0.3),
            interrupt=some(0.4),
            roam=some(0.5),
        ),
        model=SimulatedModel(
            id="sim:model",
            input_usd=2.0,
            output_usd=8.0,
            latency_s=chance.choice([0.1, 1.0, 5.0]),
            spread=chance.choice([0.0, 0.8]),
            instructions_tokens=20,
            question_tokens=10,
            reply_tokens=chance.choice([10, 60]),
            max_tokens=chance.choice([64, 256]),
            tool_steps=chance.choice([0, 1, 3]),
            parallel=some(0.4),
            endless=some(0.1),
            circles=some(0.2),
            window=chance.choice([0, 0, 1_000, 1_200]),
            fallback=chance.choice(["", "spare:model"]),
            summariser=chance.choice(["", "", "small:model"]),
            rpm=chance.choice([0, 0, 120]),
            tpm=chance.choice([0, 0, 100_000]),
            concurrency=chance.choice([0, 0, 4]),
            headers=chance.random() < 0.7,
        ),
        tool=SimulatedTool(
            latency_s=0.2,
            result_tokens=chance.choice([20, 20, 200]),
            errors=some(0.2),
            hangs=some(0.05),
            timeout_s=5.0,
            children=some(0.4),
            writes=some(0.3),
        ),
        faults=draw_faults(chance),
    )


def draw_faults(chance):
    def some(share):
        return share if chance.random() < 0.5 else 0.0

    def few(most):
        return chance.randint(0, most)

    return Faults(
        storms=few(2),
        outages=few(2),
        dead=few(1),
        slow=few(1),
        length_s=chance.choice([1.0, 10.0, 60.0]),
        crashes=few(3),
        restart_s=chance.choice([0.5, 5.0, 30.0]),
        stalls=few(2),
        errors=some(0.1),
        cut=some(0.1),
        no_usage=some(0.1),
        overlong=some(0.05),
        lies=some(0.1),
    )


def draw_settings(seed):
    """Any of them; every third so that something gets through."""
    settings = draw_any_settings(seed)
    if seed % 3:
        return settings
    roomy = {"global": {"day": {"tokens": 5_000_000}}, "user:*": {"hour": {"tokens": 200_000}}}
    return replace(settings, budgets=roomy, admission=AdmissionSettings(user_requests_per_minute=3_000))


def draw_any_settings(seed):
    chance = Random(f"settings {seed}")
    budgets = {
        "global": {chance.choice(["hour", "day", "total"]): {"tokens": chance.choice([3_000, 50_000, 5_000_000])}}
    }
    if chance.random() < 0.7:
        budgets["tenant:*"] = {"day": {"usd": chance.choice([0.05, 0.5, 5.0])}}
    if chance.random() < 0.7:
        limits = {"tokens": chance.choice([1_500, 20_000])}
        if chance.random() < 0.5:
            limits["model_calls"] = chance.choice([5, 50])
        if chance.random() < 0.3:
            limits["tool_calls"] = chance.choice([2, 20])
        budgets["user:*"] = {chance.choice(["hour", "month"]): limits}
    if chance.random() < 0.2:
        budgets["session:*"] = {"total": {"steps": 6}}
    tight = AdmissionSettings(
        user_requests_per_minute=chance.choice([6, 30, 3000]),
        tenant_requests_per_minute=chance.choice([20, 3000]),
        user_runs=chance.choice([1, 3, 100]),
        tenant_runs=chance.choice([2, 500]),
        runs=chance.choice([2, 5, 1000]),
        user_queue=chance.choice([0, 2, 20]),
        queue=chance.choice([3, 5000]),
        max_wait_s=chance.choice([1.0, 10.0, 30.0]),
        target_wait_s=chance.choice([0.5, 5.0]),
    )
    return Settings(
        admission=tight if chance.random() < 0.5 else AdmissionSettings(),
        providers={"sim": Provider("http://127.0.0.1:9/v1", needs_key=False)},
        prices={
            "sim:model": {"input": 2.0, "output": 8.0},
            "spare:model": {"input": 5.0, "output": 25.0},
            "small:model": {"input": 0.1, "output": 0.4},
        },
        budgets=budgets,
        limits={"steps": 6, "seconds": chance.choice([30, 120, 400])},
        model_timeout_s=chance.choice([5.0, 40.0]),
        store=StoreSettings(lease_s=chance.choice([3.0, 15.0])),
        sessions=SessionSettings(
            max_waiting=chance.choice([1, 16]),
            max_wait_s=chance.choice([2.0, 30.0]),
            max_in_memory=chance.choice([2, 10_000]),
            ttl_s=chance.choice([5.0, 3_600.0]),
        ),
        retry=RetrySettings(attempts=chance.randint(1, 5)),
    )
