"""Surefoot as its README shows it, with every limit set, the journal in SQLite and nothing switched off.

Variants:
    relaxed   a step does not wait for its journal record to be on disk
    durable   it does: the default of the library
    session   durable, and every run begins a conversation of its user
    unguarded, unguarded-durable   relaxed and durable without detection and redaction: what the rest of a step costs
"""

from harness import Run, Setup
from workload import MODEL, QUESTION, SYSTEM, add, find_batches, notify_staff

VARIANTS = ("relaxed", "durable", "session", "unguarded", "unguarded-durable")
LIBRARIES = "from surefoot import Agent, Limits, Runtime, tool"
PACKAGE = "import surefoot"

SETTINGS = """
[providers.openai]
base_url = "{base_url}"
api_key_env = "OPENAI_API_KEY"
concurrency = 10_000

[admission]
user_requests_per_minute = 1_000_000
tenant_requests_per_minute = 1_000_000
user_runs = 1_000
tenant_runs = 10_000
runs = 10_000
max_lag_ms = 5_000

[store]
path = "{directory}/surefoot.db"
durability = "{durability}"
"""
UNGUARDED = """
[guard]
detect = "off"
redact = false
"""


async def prepare(setup: Setup) -> Run:
    from surefoot import Agent, Limits, Runtime, load_settings, tool

    durability = "relaxed" if setup.variant in {"relaxed", "unguarded"} else "full"
    path = setup.directory / "surefoot.toml"
    settings = SETTINGS.format(base_url=setup.base_url, directory=setup.directory, durability=durability)
    path.write_text(settings + UNGUARDED * setup.variant.startswith("unguarded"))
    runtime = await setup.stack.enter_async_context(Runtime(settings=load_settings(path)))
    agent = Agent(
        f"openai:{MODEL}",
        instructions=SYSTEM,
        tools=[tool(effect="read")(add), tool(effect="read")(find_batches), tool(effect="write")(notify_staff)],
        limits=Limits(usd="100", tokens=10_000_000, steps=1_000, model_calls=1_000, tool_calls=1_000, seconds=600),
    )
    with_session = setup.variant == "session"

    async def run(number: int) -> str:
        session = f"s{number}" if with_session else ""
        return (await runtime.run(agent, QUESTION, user=f"u{number % 100}", session=session)).output

    async def stream(number: int) -> str:
        output = ""
        async for event in runtime.stream(agent, QUESTION, user=f"u{number % 100}"):
            output = getattr(event, "output", output)  # the last event of a run brings the whole answer
        return output

    return stream if setup.stream else run
