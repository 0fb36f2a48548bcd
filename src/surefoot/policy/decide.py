"""The policy: `decide` says of a call whether it may run. Pure: the same call and evidence give the same decision.

A read that carries nothing out is free. For everything else, once the conversation has read text by others, whoever
is named by a call (and what, how much, where to) must come from somebody who may say so. Only what proves a value is
ever looked for, and text by others proves nothing: more of it can only make a decision stricter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from surefoot.policy.decision import Allowed, Decision, Denied, NeedsApproval, Origin, Proposed, Trace
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.intent import find_intent
from surefoot.policy.matching import find_carried, names, normalise, normalise_value, split_moment
from surefoot.policy.origin import Evidence

MOST_LEAVES: Final = 1_000
"""Values in one call; a call with more is denied."""
MOST_SHOWN: Final = 200
_HOST: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:www\.)?([a-z0-9.-]+)(?::\d+)?(?:[/?#][^\s\\@]*)?")

Rule = Callable[[Proposed, Evidence], "Decision | None"]
"""A rule of the application's own: what it decides, None to leave it to the next one. It must be pure."""


class Rules(Struct, frozen=True):
    """What the application has settled.

    Attributes:
        allow: Values that may stand in a sink, by its kind; ``*`` stands for anything. For ``address``, hosts, too.
        tools: ``allow``, ``ask`` or ``deny`` for tools, by name.
        vouch: Tools whose results count as the user's words.
        functions: Rules of the application's own, asked first, in order.
    """

    allow: dict[str, tuple[str, ...]] = {}
    tools: dict[str, str] = {}
    vouch: tuple[str, ...] = ()
    functions: tuple[Rule, ...] = ()


NO_FIELDS: Final = frozenset[str]()
NO_RULES: Final = Rules()


def decide(call: Proposed, known: Evidence, rules: Rules = NO_RULES) -> Decision:
    """Whether a call may run.

    Args:
        call: The call.
        known: Where the values of its conversation came from.
        rules: What the application has settled.
    """
    tool = call.tool
    settled = _ask_application(call, known, rules)
    if settled is not None:
        return settled
    if tool.is_free:
        return Allowed("read", "it changes nothing and carries nothing out")
    if not known.exposed:
        return Allowed("unexposed", "nothing that others wrote was read so far")
    traces = trace(call, known, rules)
    if len(traces) > MOST_LEAVES:
        return Denied("size", f"it has more than {MOST_LEAVES} values", traces[:MOST_LEAVES])
    doubtful = next((one for one in traces if not one.proven), None)
    if doubtful is not None:
        return NeedsApproval("content" if doubtful.kind == "content" else "origin", _explain(tool, doubtful), traces)
    if tool.writes and not any(one.kind != "content" for one in traces) and not _is_anchored(call, known, rules):
        return NeedsApproval("anchor", f"nothing in it is what the user has named for {tool.name}", traces)
    if tool.writes and not find_intent(tool, known.said):
        return NeedsApproval("intent", f"the user's request does not seem to ask for {tool.name}", traces)
    return Allowed("proven", "each value comes from somebody who may say so", traces)


def _is_anchored(call: Proposed, known: Evidence, rules: Rules) -> bool:
    """Whether one value at least of a call that decides nothing by itself (a note, an entry) is one that was named."""
    leaves = [
        (place, leaf) for name, value in call.arguments.items() for place, leaf in _leaves(name, value, NO_FIELDS)
    ]
    if not leaves:
        return not call.tool.destructive
    traced = [_trace_value(place, leaf, "what", call, known, rules=rules) for place, leaf in leaves[:MOST_LEAVES]]
    return any(one.proven for one in traced)


def _ask_application(call: Proposed, known: Evidence, rules: Rules) -> Decision | None:
    name = call.tool.name
    word = rules.tools.get(name, "")
    if word == "deny":
        return Denied("settings", f"the settings deny {name}")
    for function in rules.functions:
        decision = function(call, known)
        if decision is not None:
            return decision
    if word == "ask":
        return NeedsApproval(
            "settings", f"the settings want a person to look at each {name}", trace(call, known, rules)
        )
    return Allowed("settings", f"the settings allow {name}") if word == "allow" else None


def _explain(tool: ToolPolicy, doubt: Trace) -> str:
    value = f"{doubt.place}={doubt.value!r}"
    if doubt.kind == "content":
        return f"{doubt.place} carries {doubt.value!r}, which {_tell_origin(doubt)}"
    if doubt.origin == "record" and (tool.destructive or doubt.kind == "credential"):
        return f"{value} must be named by the user, for {tool.name} cannot be undone or gives access"
    return f"{value} {_tell_origin(doubt)}"


def _tell_origin(doubt: Trace) -> str:
    if doubt.origin == "record":
        return f"is known from {doubt.source}, but text by others may have named it"
    if doubt.origin == "others":
        return f"only text by others names ({doubt.source})" if doubt.kind == "content" else (
            f"comes from text by others ({doubt.source})"
        )  # fmt: skip
    return "neither the user nor a system of record has named"


# --- where each value came from ---------------------------------------------------------------------------------------


def trace(call: Proposed, known: Evidence, rules: Rules = NO_RULES) -> tuple[Trace, ...]:
    """Where each value of a call came from that decides anything."""
    tool, found = call.tool, list[Trace]()
    for name, value in call.arguments.items():
        if name in tool.defaults and value == tool.defaults[name] and type(value) is type(tool.defaults[name]):
            continue
        declared = tool.sinks.get(name)
        for place, leaf in _leaves(name, value, tool.fields):
            if declared is None and (isinstance(leaf, bool) or leaf is None):
                continue  # an option that the author did not say decides anything
            kind = declared or "what"
            parts = find_carried(str(leaf)) if kind == "content" else [leaf]
            found += [_trace_value(place, part, kind, call, known, rules=rules) for part in parts]
        if len(found) > MOST_LEAVES:
            break
    return tuple(found)


def _leaves(place: str, value: Any, fields: frozenset[str]) -> Iterator[tuple[str, Any]]:
    todo: list[tuple[str, Any]] = [(place, value)]
    while todo:
        here, item = todo.pop()
        if isinstance(item, dict):
            table = cast("dict[str, Any]", item)
            todo += [(f"{here}.{key}", inner) for key, inner in table.items()]
            todo += [(f"{here} (a key)", key) for key in table if key not in fields]
        elif isinstance(item, list):
            items: list[Any] = item  # pyright: ignore[reportUnknownVariableType] - of JSON
            todo += [(f"{here}[{number}]", inner) for number, inner in enumerate(items)]
        elif item != "":
            yield here, item


def _trace_value(place: str, value: Any, kind: str, call: Proposed, known: Evidence, *, rules: Rules) -> Trace:
    strict = call.tool.destructive
    shown = str(value)[:MOST_SHOWN]
    if kind == "credential":  # a password is not the same in capitals
        named = known.user_wrote(str(value))
        return Trace(place, shown, kind, "user" if named else "nowhere", "", named)
    origin, source = find_origin(normalise_value(value), kind, known, rules)
    proven = origin in {"user", "allowed", "vouched"}
    if origin == "record":
        proven = not strict and (_looked_up_by_user(normalise_value(value), known) or not known.others_name(str(value)))
    return Trace(place, shown, kind, origin, source, proven)


def _looked_up_by_user(value: str, known: Evidence) -> bool:
    """Whether a record was looked up by the user's own words: then it is what he meant, whoever names it as well."""
    arguments = known.asked.get(value, "")
    if not arguments:
        return False
    leaves = [
        leaf for name, given in msgspec.json.decode(arguments).items() for _, leaf in _leaves(name, given, NO_FIELDS)
    ]
    named = [leaf for leaf in leaves if leaf is not None and not isinstance(leaf, bool)]
    return bool(named) and all(_all_named(known.said, split_moment(normalise_value(leaf))) for leaf in named)


def find_origin(value: str, kind: str, known: Evidence, rules: Rules = NO_RULES) -> tuple[Origin, str]:
    """Where a normal value came from, and which source that is; the best of what there is."""
    parts = split_moment(value)
    if not value:
        return "nowhere", ""
    if _all_named(known.said, parts):
        return "user", ""
    if _is_listed(value, rules.allow.get(kind, ())):
        return "allowed", f"the allow-list of {kind}"
    for text, source in known.vouched.items():
        if _all_named((text,), parts):
            return "vouched", source
    for source, text in known.texts:
        if source.partition("(")[0] in rules.vouch and _all_named((normalise(text),), parts):
            return "vouched", source
    for text, source in known.records.items():
        if _all_named((text,), parts):
            return "record", source
    for source, text in reversed(known.texts):
        if _all_named((normalise(text),), parts):
            return "others", source
    return ("others", "an earlier text") if known.others_name(value) else ("nowhere", "")


def _all_named(texts: Sequence[str], parts: Sequence[str]) -> bool:
    return all(any(names(text, part) for text in texts) for part in parts)


def _is_listed(value: str, patterns: Sequence[str]) -> bool:
    bare = value.strip()
    host = _HOST.fullmatch(bare)
    for pattern in patterns:
        wanted = normalise(pattern).strip() if "*" not in pattern else pattern.casefold()
        if fnmatchcase(bare, wanted) or (host is not None and fnmatchcase(host[1], wanted)):
            return True
    return False
