"""The sections of ``surefoot.toml``, one class each; `surefoot.config.Settings` holds them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[store]``: where runs are journaled.

    Attributes:
        path: SQLite file.
        durability: ``full`` waits until a record is on disk before it is relied on; ``relaxed`` does not wait, and a
            crash may lose the last records (the budget of a living process holds all the same).
        lease_s: Seconds after which a run whose process went silent counts as lost.
    """

    path: str = "surefoot.db"
    durability: Literal["full", "relaxed"] = "full"
    lease_s: float = 15.0


class PolicySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[policy]``: which tool calls may run; see docs/policy.md.

    Attributes:
        mode: ``enforce``; ``observe`` journals what it would decide and lets all calls run; ``off``.
        allow: Values that a call may name though nobody has, by what they decide; ``*`` stands for anything.
        tools: ``allow``, ``ask`` or ``deny`` for tools, by name.
        vouch: Tools whose results may name anything.
        approval_timeout_s: Longest wait for a person's answer; then it is a no.
    """

    mode: Literal["enforce", "observe", "off"] = "enforce"
    allow: dict[Literal["who", "what", "amount", "address", "credential", "content"], list[str]] = {}
    tools: dict[str, Literal["allow", "ask", "deny"]] = {}
    vouch: list[str] = []
    approval_timeout_s: float = 300.0


Detecting = Literal["off", "note", "mark", "withhold"]
"""What becomes of a tool's result that looks like an attack: nothing, a note in the journal and in the questions to
whoever approves calls, a warning to the model as well, or the model never sees it."""


class GuardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[guard]``: text that looks like an attack, see docs/guard.md; and what must not leave, see docs/output.md.

    Attributes:
        detect: What becomes of text that looks like an attack.
        detect_risk: From which risk on, 0 to 1.
        redact: Whether anything is taken out of answers and records; logs never hold secrets of the process.
        unredacted_agents: Names of agents of which nothing is taken out.
        secrets: ``all`` looks for keys and passwords by their form, too; ``known`` for those of this process alone.
        secrets_env: Variables of the environment whose values are secret; ``*`` stands for anything.
        canaries: Strings that must not leave, at least 8 characters, without spaces.
        link_hosts: Where images and links may lead: ``docs.example.com``, ``*.example.com``, or ``*``.
        leak: What becomes of an answer that repeats the agent's instructions.
        personal: Take out personal data: addresses, numbers of phones, cards, accounts and identity papers.
        model: Folder of an encoder that is asked, too: ``model.onnx``, ``tokenizer.json``, ``config.json``.
        labels: Its labels that mean an attack; none takes those of well-known names, such as ``INJECTION``.
        temperature: What its logits are divided by: above 1 is less sure.
        threshold: Share of those labels that is a risk of 0.5.
        mode: ``beside`` the shipped classifier, the higher risk counts, or ``instead`` of it.
    """

    detect: Detecting = "note"
    detect_risk: float = 0.5
    redact: bool = True
    unredacted_agents: tuple[str, ...] = ()
    secrets: Literal["all", "known"] = "all"
    secrets_env: tuple[str, ...] = ("*_API_KEY", "*_TOKEN", "*_SECRET", "*_PASSWORD")
    canaries: tuple[str, ...] = ()
    link_hosts: tuple[str, ...] = ()
    leak: Literal["flag", "redact", "off"] = "flag"
    personal: bool = False
    model: str = ""
    labels: list[str] = []
    temperature: float = 1.0
    threshold: float = 0.5
    mode: Literal["beside", "instead"] = "beside"


class McpToolSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.NAME.tools.TOOL]``: what you know of a server's tool; see `surefoot.tool` for the words.

    Attributes:
        name: Name for the model instead of prefix and the server's own.
        effect: ``read`` if it changes nothing. What the server says of it is not believed.
        idempotent: Running the same call again does no harm.
        timeout_s: Longest run time of one call; 0 is the server's.
        output: Who can write what it returns; "" is as for the server.
        egress: It reads, and its arguments can carry data out.
        destructive: What it does cannot be undone.
        sinks: What its arguments decide.
        intents: Words of a request that mean it.
    """

    name: str = ""
    effect: Literal["read", "write"] = "write"
    idempotent: bool = False
    timeout_s: float = 0.0
    output: Literal["", "trusted", "untrusted"] = ""
    egress: bool = False
    destructive: bool = False
    sinks: dict[str, Literal["who", "what", "amount", "address", "credential", "content"]] = {}
    intents: list[str] = []


class McpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[mcp.NAME]``: a server of tools; see docs/mcp.md.

    Attributes:
        command: What is started, for a server that speaks over its standard streams.
        args: Its arguments.
        env: Names of our variables that it gets, beside PATH, HOME, LANG and TMPDIR.
        cwd: Folder it runs in.
        url: Where it is, for one behind HTTP.
        headers: Names of our variables that hold the values of headers, by header.
        allow: Its tools that may be used, by the server's own names; ``*`` is all.
        prefix: Stands before the names of its tools; ``NAME_`` unless it is given.
        timeout_s: Longest run time of one call.
        start_timeout_s: Longest time from its start to its first answer.
        max_output_bytes: Size of a result at most.
        trust: ``trusted`` if nobody but the server's own system writes what its tools return.
        tools: What you know of its tools.
    """

    command: str = ""
    args: list[str] = []
    env: list[str] = []
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    allow: tuple[str, ...] = ("*",)
    prefix: str | None = None
    timeout_s: float = 30.0
    start_timeout_s: float = 30.0
    max_output_bytes: int = 16_384
    trust: Literal["trusted", "untrusted"] = "untrusted"
    tools: dict[str, McpToolSettings] = {}

    def allows(self, tool: str) -> bool:
        """Whether a tool may be used, by the server's own name."""
        return "*" in self.allow or tool in self.allow


class LocalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[local]``: the embedded model.

    Attributes:
        path: A GGUF file to use instead of the pinned one; SUREFOOT_LOCAL_MODEL sets it too.
        url: Where the pinned weights are published; "" skips this source.
        cache: Folder for fetched weights; SUREFOOT_CACHE sets it too, "" is ``~/.cache/surefoot``.
        context_tokens: Size of the context window.
        threads: Threads that compute; 0 is one for each core.
        max_waiting: Requests that may wait for the engine; more are answered 429.
    """

    path: str = ""
    url: str = "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    cache: str = ""
    context_tokens: int = 8192
    threads: int = 0
    max_waiting: int = 32


class ContextSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[context]``: what happens to what does not fit the prompt.

    Attributes:
        summarise_with: Model string of the model that sums up what is about to be left out; "" sums up nothing.
        read_more: Tool outputs that are cut are kept, and agents with tools get the tool ``read_more`` to read on.
    """

    summarise_with: str = ""
    read_more: bool = True


class RetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[retry]``: attempts for one model call; see `surefoot.retry`.

    Attributes:
        attempts: Attempts in all, the first included.
        base_s: Upper end of the first delay, doubled each time.
        max_s: Longest delay between two attempts.
        budget: Retries for each first attempt at a provider, over all runs: 0.1 is at most 10 % more load.
        reserve: Retries a minute beside them, so that a run that is alone may retry, too.
    """

    attempts: int = 4
    base_s: float = 0.5
    max_s: float = 20.0
    budget: float = 0.1
    reserve: int = 10


class BreakerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[breaker]``: when a route to a model counts as dead; see `surefoot.models.breaker`.

    Attributes:
        failures: So many failures in a row open it.
        cooldown_s: Seconds until one call may try again; doubled each time that it fails, too.
        max_cooldown_s: Longest of these times.
    """

    failures: int = 5
    cooldown_s: float = 5.0
    max_cooldown_s: float = 60.0


class AdmissionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[admission]``: who is let in when many come at once, in this process; see docs/admission.md.

    Attributes:
        user_requests_per_minute: Requests of one user; as many may come at once.
        tenant_requests_per_minute: Requests of all users of one tenant.
        user_runs: Runs of one user at once.
        tenant_runs: Runs of one tenant at once.
        runs: Runs of all at once.
        user_queue: Requests of one user that may wait for a run to begin.
        tenant_queue: Requests of one tenant that may wait.
        queue: Requests of all that may wait.
        max_wait_s: Longest wait; a request that would wait longer, or has, is refused.
        target_wait_s: When each user's turn takes longer than this all the time, new work is shed.
        max_lag_ms: When the event loop is later than this all the time, new work is shed.
    """

    user_requests_per_minute: float = 30.0
    tenant_requests_per_minute: float = 3_000.0
    user_runs: int = 3
    tenant_runs: int = 500
    runs: int = 1_000
    user_queue: int = 20
    tenant_queue: int = 1_000
    queue: int = 5_000
    max_wait_s: float = 30.0
    target_wait_s: float = 5.0
    max_lag_ms: float = 500.0


OnBusy = Literal["queue", "reject", "interrupt"]
"""What becomes of a message to a session in which a run is under way: it waits, is refused, or ends that run."""


class SessionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[sessions]``: conversations; see `surefoot.sessions`.

    Attributes:
        on_busy: What becomes of a message to a session in which a run is under way.
        max_waiting: Messages that may wait for one session; more are refused.
        max_wait_s: Longest wait for one's turn in a session.
        max_in_memory: Conversations kept in memory; others are read from the store.
        max_memory_mib: What they may take in all, MiB.
        ttl_s: How long one is kept in memory after its last use.
        expire_after: A session that was not used for so long cannot be continued: ``30d``, ``12h``.
        delete_after: After so long it is deleted, and the words of its runs are.
    """

    on_busy: OnBusy = "queue"
    max_waiting: int = 16
    max_wait_s: float = 30.0
    max_in_memory: int = 10_000
    max_memory_mib: int = 64
    ttl_s: float = 3600.0
    expire_after: str = "30d"
    delete_after: str = "90d"


class Tenant(Struct, frozen=True, forbid_unknown_fields=True):
    """``[tenants.NAME]``: a customer. What is not given is as in ``[admission]``.

    Attributes:
        timezone: Where the days and months of its budgets begin; "" takes that of the settings.
        weight: Turns that each of its users has in a round of the fair queue, from 1 to 100.
        user_requests_per_minute: Requests of one of its users.
        tenant_requests_per_minute: Requests of all its users.
        user_runs: Runs of one of its users at once.
        tenant_runs: Runs of all its users at once.
        user_queue: Requests of one of its users that may wait.
        tenant_queue: Requests of all its users that may wait.
    """

    timezone: str = ""
    weight: float = 1.0
    user_requests_per_minute: float | None = None
    tenant_requests_per_minute: float | None = None
    user_runs: int | None = None
    tenant_runs: int | None = None
    user_queue: int | None = None
    tenant_queue: int | None = None
