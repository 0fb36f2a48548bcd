"""What the wires share: one attempt over HTTP, whole or streamed, and how a text becomes bytes."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar
from urllib.parse import SplitResult, unquote

import msgspec
from msgspec import Struct

from surefoot.errors import ModelBroken, ModelError
from surefoot.models.address import check_base_url, find_address
from surefoot.models.base import ModelProfile, Options, Prompt, Reply
from surefoot.models.http import MAX_BODY_BYTES, HttpClient, HttpStream, build_overflow
from surefoot.models.mask import find_header_secrets, find_query_secrets
from surefoot.models.rate_hint import RateReader
from surefoot.models.sse import EventOverflow, SseParser
from surefoot.models.status import HeaderLookup, Peer, build_page_error, build_reply_error, build_status_error, is_page
from surefoot.types import Message, Part, ToolCall, ToolSpec

FRAMING_TOKENS: Final = 64
"""Added once to a prompt's bytes: what a chat template puts around the messages beyond what JSON puts around them."""

MAX_PIECE_BYTES: Final = 16 << 10
"""Of a stream, taken in at once: 16 KiB without an event in them take as long as a hundred with one."""

MAX_HEADS: Final = 256
"""Beginnings of requests kept per model; the oldest makes room."""

encode_json = msgspec.json.Encoder().encode

Head = TypeVar("Head")


class Assembly(Protocol):
    """A streamed reply while it grows."""

    def take(self, payload: bytes) -> str:
        """Take in the data of one event; the visible text that it adds.

        Raises:
            ModelBroken: It holds an error or cannot be read.
        """
        ...

    @property
    def is_done(self) -> bool:
        """Whether the wire's last event has come."""
        ...

    def finish(self) -> Reply:
        """The whole reply.

        Raises:
            ModelBroken: The stream ended too early.
        """
        ...


class Wire(Struct, frozen=True):
    """How replies are read.

    Attributes:
        read_reply: A whole reply from its body; raises `ModelBroken` if it holds an error or cannot be read.
        assemble: A streamed reply before its first event.
        rate_names: How headers that tell of limits are named: see `surefoot.models.rate_hint.RateReader`.
    """

    read_reply: Callable[[bytes, Peer], Reply]
    assemble: Callable[[Peer], Assembly]
    rate_names: str


class WireModel(Generic[Head]):
    """What the models behind HTTP have in common; subclasses build the prompts.

    Args:
        profile: What is known of the model.
        url: The full URL.
        headers: Sent with each request.
        http: The pool.
        peer: Whom messages name.
        wire: How replies are read.
    """

    def __init__(
        self,
        profile: ModelProfile,
        url: SplitResult,
        headers: Mapping[str, str],
        http: HttpClient,
        *,
        peer: Peer,
        wire: Wire,
    ) -> None:
        self.profile = profile
        self._peer = peer
        self._read_reply = wire.read_reply
        self._assemble = wire.assemble
        self._rates = RateReader(wire.rate_names)
        self._http = http
        self._address = find_address(url)
        self._endpoint = http.prepare(url, headers, peer)
        self._heads: dict[tuple[int, float | None], tuple[tuple[ToolSpec, ...], Head]] = {}

    async def respond(self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float) -> Reply:
        """See `Model.respond`."""
        status, header, body = await self._http.post(
            self._endpoint, prompt.body(max_tokens, options, stream=False), timeout_s
        )
        if status != 200:
            raise self._build_error(status, header, body)
        try:
            return self._add_rate(self._read_reply(body, self._peer), header)
        except ModelBroken:
            content_type = header("content-type") or ""
            if is_page(content_type):
                raise build_page_error(content_type, self._address, self._peer) from None
            raise

    async def stream(
        self, prompt: Prompt, max_tokens: int, options: Options, timeout_s: float
    ) -> AsyncIterator[str | Reply]:
        """See `Model.stream`."""
        http = await self._http.open(self._endpoint, prompt.body(max_tokens, options, stream=True), timeout_s)
        try:
            whole = await self._read_unstreamed(http)
            if whole is not None:
                reply = whole
                if whole.message.text:
                    yield whole.message.text
            else:
                assembly, parser = self._assemble(self._peer), SseParser()
                take, feed, read = assembly.take, parser.feed, http.read
                while not assembly.is_done:
                    chunk = await read()
                    if len(chunk) > MAX_PIECE_BYTES:
                        async for text in _take_in_turns(chunk, assembly, parser):
                            yield text
                        continue
                    # What came at one moment is handed out as one piece: a reader that is behind catches up at once.
                    text = "".join([take(payload) for payload in (feed(chunk) if chunk else parser.finish())])
                    if text:
                        yield text
                    if not chunk:
                        break
                reply = assembly.finish()
                if reply.message.chars > MAX_BODY_BYTES:
                    raise build_overflow(self._peer)
            reply = self._add_rate(reply, http.header)
        except EventOverflow:
            raise build_reply_error(b'"an event of the stream is too long"', self._peer) from None
        finally:
            await http.close()
        yield reply

    def find_head(self, tools: tuple[ToolSpec, ...], temperature: float | None) -> Head | None:
        """What the requests of all runs with these tools begin with, None before the first of them.

        Tools are told apart by identity: an agent is immutable and hands the same tuple to each of its runs.
        """
        kept = self._heads.get((id(tools), temperature))
        return kept[1] if kept is not None and kept[0] is tools else None

    def keep_head(self, tools: tuple[ToolSpec, ...], temperature: float | None, head: Head) -> Head:
        """Keep ``head`` for the next runs with these tools."""
        if len(self._heads) >= MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[id(tools), temperature] = tools, head
        return head

    async def close(self) -> None:
        """See `Model.close`. The pool belongs to whoever made it, and is shared with other models."""

    def _add_rate(self, reply: Reply, header: HeaderLookup) -> Reply:
        rate = self._rates.glance(header)
        return reply if rate is None else msgspec.structs.replace(reply, rate=rate)

    def _build_error(self, status: int, header: HeaderLookup, body: bytes) -> ModelError:
        error = build_status_error(status, header, body, self._peer)
        error.rate = self._rates.read(header)
        return error

    async def _read_unstreamed(self, http: HttpStream) -> Reply | None:
        """The reply of a server that does not stream although it was asked to, None from one that does."""
        if http.status != 200:
            raise self._build_error(http.status, http.header, await http.read_all())
        content_type = http.header("content-type") or ""
        if is_page(content_type):
            raise build_page_error(content_type, self._address, self._peer)
        if content_type.startswith("application/json"):
            return self._read_reply(await http.read_all(), self._peer)
        return None


async def _take_in_turns(chunk: bytes, assembly: Assembly, parser: SseParser) -> AsyncGenerator[str, None]:
    """The text of a long piece of a stream, a part of it in each turn of the event loop."""
    for start in range(0, len(chunk), MAX_PIECE_BYTES):
        events = parser.feed(chunk[start : start + MAX_PIECE_BYTES])
        text = "".join([assembly.take(payload) for payload in events])
        if text:
            yield text
        await asyncio.sleep(0)


def build_peer(
    profile: ModelProfile, base_url: str, api_key: str, key_setting: str, headers: Mapping[str, str] | None
) -> tuple[Peer, SplitResult]:
    """Whom messages name, and the parts of the base URL; ``headers`` are those of the caller's own.

    Raises:
        ConfigError: The base URL is malformed.
    """
    parts = check_base_url(base_url, profile.id)
    setting = key_setting or f"the API key of provider {profile.provider!r}"
    others = [*find_query_secrets(parts.query), *find_header_secrets(headers or {})]
    password = parts.password or ""
    secrets = tuple([text for text in (api_key, password, unquote(password), *others) if text])
    return Peer(profile.id, find_address(parts), setting, secrets, has_key=bool(secrets)), parts


def count_growth(text: str) -> int:
    """Bytes that ``text`` may gain before it is tokenized, beyond its own UTF-8.

    Some tokenizers normalise first, to NFC or to NFKC, and a few characters get longer by it (U+FDFA from 3 bytes to
    33). A byte-level tokenizer then makes at most one token of each byte of the longer text.
    """
    plain = len(text.encode("utf-8", "replace"))
    longest = max(len(unicodedata.normalize(form, text).encode("utf-8", "replace")) for form in ("NFC", "NFKC"))
    return max(0, longest - plain)


def mend_message(message: Message) -> Message:
    """``message`` as UTF-8 can carry it: halves of surrogate pairs are joined, or replaced where one is alone."""
    calls = [ToolCall(_mend(call.id), _mend(call.name), _mend(call.arguments)) for call in message.tool_calls]
    return msgspec.structs.replace(
        message,
        parts=tuple([Part(_mend(part.text), part.label) for part in message.parts]),
        tool_calls=tuple(calls),
        tool_call_id=_mend(message.tool_call_id),
    )


def _mend(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
