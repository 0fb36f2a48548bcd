"""From an `Agent` to something that runs: its model, protocol, price and tokenizer, found once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Raw
from msgspec.json import encode as encode_json
from msgspec.structs import replace

from surefoot.agent import Agent
from surefoot.answer import AnswerType
from surefoot.budget.limits import Limits
from surefoot.budget.prices import FREE_PROVIDERS, name_setting, open_prices
from surefoot.budget.quotes import find_window
from surefoot.budget.tokens import find_counter
from surefoot.clock import Clock
from surefoot.compiled import Compiled
from surefoot.config import Settings
from surefoot.context import DEFAULT_WINDOW
from surefoot.errors import ConfigError, PriceUnknown
from surefoot.journal.context_events import READ_MORE
from surefoot.logs import get_logger
from surefoot.models.base import Model, ModelProfile
from surefoot.models.http import HttpClient
from surefoot.models.registry import MAX_MODELS, Models, Way, make_model, split_model
from surefoot.models.router import Direct, Router, Routes
from surefoot.policing import Slip, find_slips
from surefoot.protocol import find_protocol
from surefoot.providers import KNOWN_PROVIDERS, Provider
from surefoot.read_more import read_more
from surefoot.secret import Secret
from surefoot.tools import Toolbox
from surefoot.types import UNLIMITED, Message, Source

_log: Final = get_logger(__name__)

MAX_COMPILED: Final = 256
"""Agents kept compiled; the one compiled longest ago makes room. Agents are meant to be few and shared."""
MAX_COMPILED_CHARS: Final = 32 << 20
"""Of their instructions, and of the JSON of their tools; the last one is kept whatever its size."""
MAX_SOURCES: Final = 1_024
"""Servers whose tools are kept ready until the runtime is closed: each is a process or a connection."""
MAX_SLIPS: Final = 1_000
"""Names in the settings that are told to be slips, with those that may be meant."""

MIN_CONNECTIONS: Final = 2_000
"""Connections at once that there are in any case; more if the settings allow more calls at once."""


class Compiler:
    """Compiles the agents of one runtime and owns what their models need."""

    def __init__(
        self, settings: Settings, clock: Clock, progress: Callable[[int, int], None] | None, own: Sequence[Model] = ()
    ) -> None:
        """Find models and prices by ``settings``, but for those of the user's ``own``.

        ``progress`` is told of weights that are fetched.
        """
        self._own = {model.profile.id: model for model in own}
        self._settings = settings
        self._progress = progress
        self._prices = open_prices(settings, clock.now)
        self._compiled: dict[Agent[Any], Compiled] = {}
        self._compiled_chars = 0
        self._others: dict[Agent[Any], tuple[Agent[Any], ...]] = {}  # an agent on its other models, one each
        self._http: HttpClient | None = None
        self._models = Models(settings, self._open_http)
        self._router = Router(settings.breaker, clock)
        self._routes: dict[str, Routes] = {}
        self._local: Routes | None = None
        self._sources: dict[Source, None] = {}
        self._local_lock = asyncio.Lock()
        self._server: Any = None
        self._slips: set[Slip] = set()  # told

    def recall(self, agent: Agent[Any]) -> Compiled | None:
        """What `compile` would give for an agent of one model that is as it was; None for any other."""
        compiled = self._compiled.get(agent)
        if compiled is None or len(agent.models) > 1:
            return None
        profile = compiled.model.profile  # prices change with the date
        return compiled if self._prices.resolve(profile.provider, profile.name) is compiled.rates else None

    async def compile(self, agent: Agent[Any]) -> Compiled:
        """The agent, ready to run on each of its models.

        Raises:
            ConfigError: A model string or its key is wrong.
            NotFound: No such provider.
        """
        compiled = await self._compile_on_first(agent)
        if len(agent.models) == 1:
            return compiled
        others = self._others.get(agent)
        if others is None:
            if len(self._others) >= MAX_COMPILED:
                del self._others[next(iter(self._others))]
            others = tuple([agent.replace(model=model, protocol=agent.protocol) for model in agent.models[1:]])
            self._others[agent] = others
        return replace(compiled, fallbacks=tuple([await self._compile_on_first(other) for other in others]))

    async def _compile_on_first(self, agent: Agent[Any]) -> Compiled:
        compiled = self._compiled.get(agent)
        if compiled is not None:
            profile = compiled.model.profile
            rates = self._prices.resolve(profile.provider, profile.name)
            if rates is compiled.rates:
                return compiled
            compiled = replace(compiled, rates=rates)  # prices change with the date
        else:
            compiled = await self._compile(agent)
        self._keep(agent, compiled)
        return compiled

    def _keep(self, agent: Agent[Any], compiled: Compiled) -> None:
        kept = self._compiled
        before = kept.pop(agent, None)
        self._compiled_chars += _count_chars(compiled) - (0 if before is None else _count_chars(before))
        while kept and (len(kept) >= MAX_COMPILED or self._compiled_chars > MAX_COMPILED_CHARS):
            self._compiled_chars -= _count_chars(kept.pop(next(iter(kept))))
        kept[agent] = compiled

    async def close(self) -> None:
        """Close connections, stop the embedded model and what tools share."""
        self._router.close()
        if self._http is not None:
            await self._http.close()
        if self._server is not None:
            await self._server.close()
        await asyncio.gather(*[source.release() for source in self._sources])

    async def _compile(self, agent: Agent[Any]) -> Compiled:
        routes = await self._find_routes(agent.model) if isinstance(agent.model, str) else self._adopt(agent.model)
        profile = routes.model.profile
        answer = None if agent.output is None else AnswerType(agent.output)
        name = profile.protocol if agent.protocol == "auto" else agent.protocol
        toolbox = agent.toolbox
        offers = self._settings.context.read_more and profile.read_more
        keeps_rest = offers and toolbox.specs != () and toolbox.find(READ_MORE) is None
        if keeps_rest:
            toolbox = Toolbox([*toolbox, read_more])
        self._hold_sources(toolbox, agent.name)
        specs = toolbox.specs
        self._tell_slips(agent.name, [spec.name for spec in specs])
        protocol = find_protocol(name)(agent.instructions, specs, answer.schema if answer else None)
        system = protocol.system()
        return Compiled(
            name=agent.name,
            routes=routes,
            protocol=protocol,
            toolbox=toolbox,
            native_specs=specs if protocol.native_tools else (),
            tools=Raw(encode_json(specs)),
            rates=await self._prices.find(profile.provider, profile.name),
            counter=find_counter(profile.provider, profile.name),
            answer=answer,
            repairs=agent.repairs,
            window=profile.context_tokens or await self._find_window(profile) or DEFAULT_WINDOW,
            keeps_rest=keeps_rest,
            max_tokens=agent.max_tokens or profile.max_output_tokens,
            temperature=agent.temperature,
            system=Message.system(system) if system else None,
            instructions=agent.instructions,
        )

    def _hold_sources(self, toolbox: Toolbox, agent: str) -> None:
        for source in dict.fromkeys([tool.source for tool in toolbox if tool.source is not None]):
            if source not in self._sources:
                if len(self._sources) >= MAX_SOURCES:
                    raise ConfigError(
                        f"agent {agent!r}: this runtime keeps {MAX_SOURCES:,} servers of tools ready, no more: make "
                        "each MCP server once, and share it and its tools"
                    )
                source.hold()
                self._sources[source] = None

    def _tell_slips(self, agent: str, names: Sequence[str]) -> None:
        """A slip in a name lets a tool run that was to be denied. No error: the name may be one of another agent's."""
        for slip in find_slips(self._settings.policy, names):
            if slip.nearest and slip not in self._slips and len(self._slips) < MAX_SLIPS:
                self._slips.add(slip)
                _log.warning("%s", slip.tell(agent))

    @property
    def summariser(self) -> str:
        """Model string of the model that makes summaries, "" for none."""
        return self._settings.context.summarise_with

    async def _find_window(self, profile: ModelProfile) -> int:
        if profile.provider in FREE_PROVIDERS:
            return 0
        return await asyncio.to_thread(find_window, profile.provider.lower(), profile.name.strip().lower())

    def _adopt(self, model: Model) -> Routes | Direct:
        """An object of the user's own, by the settings of its provider if there are any."""
        name = model.profile.provider
        provider = self._settings.providers.get(name)
        return Direct(model) if provider is None else self._router.route([Way(model)], name, provider)

    async def _find_routes(self, model: str) -> Routes | Direct:
        name = split_model(model)[0]
        if model in self._own:
            return self._adopt(self._own[model])
        if name != "local":
            ways = self._models.find(model)
            routes = self._routes.get(model)
            if routes is None or routes.model is not ways[0].model:
                provider = self._settings.provider(name)
                assert provider is not None, "its model was found"
                if len(self._routes) >= MAX_MODELS:
                    del self._routes[next(iter(self._routes))]
                routes = self._routes[model] = self._router.route(ways, name, provider)
            return routes
        async with self._local_lock:
            if self._local is None:
                self._local = await self._start_local(model)
            return self._local

    async def _start_local(self, model: str) -> Routes:
        from surefoot.local import LocalServer  # an extra: imported only where it is used

        server = LocalServer(self._settings.local, self._progress or (lambda _done, _all: None))
        await server.start()
        self._server = server
        provider = Provider(
            server.base_url,
            protocol="json",
            trusts_usage=True,
            max_output_tokens=512,
            concurrency=1,  # it computes one at a time: others wait here, in a fair order, and not in their time
            read_more=False,  # with it the small model solved two of the three tasks of the demo, without it all
            context_tokens=self._settings.local.context_tokens,
        )
        key = Secret(server.api_key)
        made = make_model(
            model, provider_name="local", name=server.name, provider=provider, key=key, http=self._open_http()
        )
        return self._router.route([Way(made)], "local", provider)

    def _open_http(self) -> HttpClient:
        if self._http is None:
            providers = [*KNOWN_PROVIDERS.values(), *self._settings.providers.values()]
            most = sum([len(provider.ways) * provider.concurrency for provider in providers])
            # A cancelled call gives its permit back at once and its connection up later: hence twice as many.
            self._http = HttpClient(max_connections=max(MIN_CONNECTIONS, 2 * most))
        return self._http


def _count_chars(compiled: Compiled) -> int:
    return len(compiled.instructions) + len(bytes(compiled.tools))


def check_price(compiled: Compiled, limits: Limits, limited: str = "") -> None:
    """Refuse a USD limit that cannot be kept: that of the run, or of the account ``limited`` above it.

    Raises:
        PriceUnknown: There is a USD limit, and the model has no known price.
    """
    if compiled.rates is None and (limited or limits.nano is not UNLIMITED):
        profile = compiled.model.profile
        tier = f" at service tier {profile.service_tier!r}" if profile.service_tier else ""
        of = f"limit of {limited} in US dollars" if limited else f"limit of {limits.nano}"
        lift = "that limit" if limited else "the limit with usd=UNLIMITED"
        raise PriceUnknown(
            f"no price is known for {profile.id!r}{tier}, so the {of} cannot be kept: give its price in surefoot.toml, "
            f"{name_setting(profile.provider, profile.name, profile.service_tier)}"
            f", or lift {lift} (--usd unlimited)"
        )
