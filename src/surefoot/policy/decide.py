"""The policy: `decide` says of a call whether it may run. Pure: the same call and evidence give the same decision.

A read that carries nothing out is free. For everything else, once the conversation has read text by others, whoever
is named by a call (and what, how much, where to) must come from somebody who may say so. Only what proves a value is
ever looked for, and text by others proves nothing: more of it can only make a decision stricter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from surefoot.policy.allow_list import is_listed, is_plain
from surefoot.policy.carried import find_carried, is_secret
from surefoot.policy.decision import Allowed, Decision, Denied, NeedsApproval, Origin, Proposed, Trace
from surefoot.policy.declared import ToolPolicy
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import delegates, find_intent
from surefoot.policy.lookup import Leaf, Lookup, Row, is_id, is_number
from surefoot.policy.matching import find_strays, names, normalise_value, split_moment
from surefoot.policy.picks import is_picked, settle_picks, walk
from surefoot.policy.repeated import is_repeated
from surefoot.policy.roles import suggest_sinks
from surefoot.policy.selection import NO_ARGUMENTS, is_mentioned
from surefoot.policy.source import EARLIER, find_source
from surefoot.policy.subject import is_on_subject
from surefoot.policy.sums import is_worked_out, names_money

MOST_LEAVES: Final = 1_000
"""Values in one call; a call with more is denied."""
MOST_VALUE_CHARS: Final = 20_000
"""A longer value that decides anything is nobody's: to compare it would take too long."""
MOST_NAMED_SOURCES: Final = 10
"""Of the values in doubt of one call the first so many are looked for in the texts by others: that takes long."""
MOST_SECRETS: Final = 20
"""Values in one call that may give access; of more the user has named none."""
MOST_SHOWN: Final = 200
FAILED: Final = "failed"
"""Name of the rule that denies a call because a rule of the application's own is broken."""
_INDEX: Final = re.compile(r"\[\d+\]")

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
    return ask_application(call, known, rules) or weigh(call, known, rules)


def weigh(call: Proposed, known: Evidence, rules: Rules = NO_RULES) -> Decision:
    """As `decide`, of a call to which `ask_application` has nothing to say: of a large one any thread may do it."""
    tool = call.tool
    word = rules.tools.get(tool.name, "")
    if word == "ask":
        why = f"the settings want a person to look at each {tool.name}"
        return NeedsApproval("settings", why, trace(call, known, rules))
    if word == "allow":
        return Allowed("settings", f"the settings allow {tool.name}")
    if tool.is_free:
        return Allowed("read", "it changes nothing and carries nothing out")
    if not known.exposed:
        return Allowed("unexposed", "nothing that others wrote was read so far")
    traces = trace(call, known, rules)
    if len(traces) > MOST_LEAVES:
        return Denied("size", f"it has more than {MOST_LEAVES} values", traces[:MOST_LEAVES])
    doubtful = next((one for one in traces if not one.proven), None)
    if doubtful is not None:
        return NeedsApproval(
            "content" if doubtful.kind == "content" else "origin", _explain(tool, doubtful, traces), traces
        )
    objection = _find_objection(call, traces, known, rules) if tool.writes else None
    return objection or Allowed("proven", "each value comes from somebody who may say so", traces)


def _find_objection(call: Proposed, traces: tuple[Trace, ...], known: Evidence, rules: Rules) -> NeedsApproval | None:
    """Why a call that writes does not do what the user wants, though each of its values is proven."""
    tool = call.tool
    decides = any(one.kind != "content" for one in traces)
    if not decides and not _is_anchored(call, known, rules) and not is_on_subject(call, known):
        return NeedsApproval("anchor", f"nothing in it is what the user has named for {tool.name}", traces)
    if not find_intent(tool, known.request) and not _is_delegated(traces, known):
        return NeedsApproval("intent", f"the user's request does not seem to ask for {tool.name}", traces)
    if is_repeated(call, traces, known):
        return NeedsApproval("repeat", f"{tool.name} has done that already since the user asked for it", traces)
    return None


def _is_anchored(call: Proposed, known: Evidence, rules: Rules) -> bool:
    """Whether one value at least of a call that decides nothing by itself (a note, an entry) is one that was named."""
    leaves = [(place, leaf) for name, value in call.arguments.items() for place, leaf in walk(name, value, NO_FIELDS)]
    if not leaves:
        return not call.tool.destructive
    traced = [_trace_value(place, leaf, "what", call, known, rules=rules) for place, leaf in leaves[:MOST_LEAVES]]
    return any(one.proven for one in traced) or any(_is_day_of_user(leaf, known) for _, leaf in leaves)


def _is_day_of_user(value: Any, known: Evidence) -> bool:
    """Whether a date with a time is on a day that the user alone has named: the hour is often left to the model."""
    parts = split_moment(normalise_value(value))
    return len(parts) > 1 and known.user_names(parts[0]) and not known.others_name(parts[0])


def _is_delegated(traces: tuple[Trace, ...], known: Evidence) -> bool:
    """Whether the user leaves to a list what is to be done, and the call acts on what he has named himself."""
    own = any(one.origin == "user" and one.kind != "content" for one in traces)
    return own and delegates(known.request)


def ask_application(call: Proposed, known: Evidence, rules: Rules) -> Decision | None:
    """What the application has settled by a word of denial or by its own rules; None if nothing.

    These are its own code: they are called on the event loop alone.
    """
    name = call.tool.name
    if rules.tools.get(name, "") == "deny":
        return Denied("settings", f"the settings deny {name}")
    for function in rules.functions:
        decision = _ask_rule(function, call, known)
        if decision is not None:
            return decision
    return None


def _ask_rule(function: Rule, call: Proposed, known: Evidence) -> Decision | None:
    """What a rule of the application's own says; one that fails, or gives anything else, lets nothing pass."""
    name = getattr(function, "__name__", type(function).__name__)
    try:
        decision: Any = function(call, known)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it has not said yes
        return Denied(FAILED, f"the rule {name} failed: {type(error).__name__}: {error}"[:MOST_SHOWN])
    if decision is None or isinstance(decision, (Allowed, NeedsApproval, Denied)):
        return decision
    kind = type(decision).__name__
    if kind == "coroutine":
        decision.close()  # nobody will await it
    return Denied(FAILED, f"the rule {name} gave neither a decision nor None but a {kind}")


def _suggest(tool: ToolPolicy, traces: Sequence[Trace]) -> str:
    """What the author of the tool has not declared, so that the worst was assumed; "" if nothing is missing."""
    parameters = [re.split(r"[\[. ]", one.place)[0] for one in traces]
    missing = suggest_sinks([name for name in parameters if name not in tool.sinks])
    if not missing:
        return ""
    return f" ({tool.name} does not say what its parameters decide; if it is this, declare sinks={missing})"


def _explain(tool: ToolPolicy, doubt: Trace, traces: Sequence[Trace]) -> str:
    value = f"{doubt.place}={doubt.value!r}"
    if doubt.kind == "content":
        return f"{doubt.place} carries {doubt.value!r}, which {_tell_origin(doubt)}"
    if doubt.kind == "credential":
        return f"{value} gives access, and the user has not written it as that, letter by letter"
    if doubt.origin == "record" and tool.destructive:
        return f"{value} must be in the user's own words, for what {tool.name} does cannot be undone"
    return f"{value} {_tell_origin(doubt)}{_suggest(tool, traces)}"


def _tell_origin(doubt: Trace) -> str:
    if doubt.origin == "record":
        return f"is in what {doubt.source} gave, but nothing that the user said picks it"
    if doubt.origin == "worked out":
        return "is a sum of numbers that the user gave, but whom it goes to is in doubt"
    if doubt.origin == "others":
        return f"only text by others names ({doubt.source})" if doubt.kind == "content" else (
            f"comes from text by others ({doubt.source})"
        )  # fmt: skip
    return "was named neither by the user nor by a system of record"


# --- where each value came from ---------------------------------------------------------------------------------------


def trace(call: Proposed, known: Evidence, rules: Rules = NO_RULES) -> tuple[Trace, ...]:
    """Where each value of a call came from that decides anything."""
    tool, found, doubts, secrets = call.tool, list[Trace](), 0, 0
    for name, value in call.arguments.items():
        if name in tool.defaults and value == tool.defaults[name] and type(value) is type(tool.defaults[name]):
            continue
        declared = tool.sinks.get(name)
        decides = declared != "content" and (declared is not None or tool.destructive)
        for place, leaf in walk(name, value, tool.fields, empty=decides):
            if declared is None and (isinstance(leaf, bool) or leaf is None):
                continue  # an option that the author did not say decides anything
            kind = declared or "what"
            for part in find_carried(str(leaf), encoded=tool.encoded) if kind == "content" else [leaf]:
                secrets += kind == "credential"
                if secrets > MOST_SECRETS:
                    return (*found, Trace(place, str(part)[:MOST_SHOWN], kind, "nowhere"))
                one = _trace_value(place, part, kind, call, known, rules=rules, told=doubts < MOST_NAMED_SOURCES)
                doubts += not one.proven
                found.append(one)
                if len(found) > MOST_LEAVES:
                    return tuple(found)
    return settle_picks(found, known, call)


def _trace_value(
    place: str, value: Any, kind: str, call: Proposed, known: Evidence, *, rules: Rules, told: bool = False
) -> Trace:
    shown = str(value)[:MOST_SHOWN]
    if isinstance(value, str) and len(value) > MOST_VALUE_CHARS:
        return Trace(place, shown, kind, "nowhere")
    if kind == "credential":  # a password is not the same in capitals
        named = known.user_gives(str(value))
        return Trace(place, shown, kind, "user" if named else "nowhere", "", named)
    normal = normalise_value(value)
    if kind == "address" and not is_plain(str(value)):
        return Trace(place, shown, kind, *_find_others(normal, known, told=told))
    origin, source = _find_warrant(normal, kind, call.tool.name, known, rules)
    if _is_ambiguous(value, kind, origin, known):
        return Trace(place, shown, kind, *_find_others(normal, known, told=told))
    if origin == "user" and kind == "address" and not known.user_spelled(str(value)):
        origin = ""  # short links differ in nothing but capitals
    if origin:
        return Trace(place, shown, kind, origin, source, proven=True)
    where = _INDEX.sub("", place)
    source, proven = _recall_records(normal, where, kind, call.tool, known)
    if not source and kind == "what":
        source, proven = _search_parts(normal, where, call.tool, known)
    if source:
        return Trace(place, shown, kind, "record", source, proven)
    if is_worked_out(normal, kind, where, known):
        return Trace(place, shown, kind, "worked out")
    return Trace(place, shown, kind, *_find_others(normal, known, told=told))


def _is_ambiguous(value: Any, kind: str, origin: str, known: Evidence) -> bool:
    """Whether the tool may take it for another value than the one it was compared with, which the user wrote so."""
    by_user = origin == "user"
    if not isinstance(value, str) or (kind in {"what", "content"} and not by_user):
        return False
    return find_strays(value, whole=by_user) and not known.user_spells(value)


def _search_parts(value: str, place: str, tool: ToolPolicy, known: Evidence) -> tuple[str, bool]:
    """In which record that part of a moment stands which the user leaves to it: "on Friday at the same time"."""
    left = [part for part in split_moment(value) if not known.user_names(part)]
    if len(left) != 1:
        return "", False
    source, proven = _recall_records(left[0], place, "what", tool, known)
    return (source, True) if proven else ("", False)


def _recall_records(value: str, place: str, kind: str, tool: ToolPolicy, known: Evidence) -> tuple[str, bool]:
    """As `_search_records` says; it is looked for once."""
    key = ("record", value, kind, place, tool.name)
    return known.once(key, lambda: _search_records(value, place, kind, tool, known))


def _search_records(value: str, place: str, kind: str, tool: ToolPolicy, known: Evidence) -> tuple[str, bool]:
    """In which record a value stands, one that the user's words lead to if there is one; "" if in none."""
    found = _find_records(value, place, kind, known)
    content = kind == "content"
    private = content and is_secret(value)
    picks = (
        one
        for one in found
        if (is_picked(one, tool, kind, place, known) and not (private and one[0].arguments in NO_ARGUMENTS))
        or (content and not tool.destructive and _may_be_told(one, value, known))
    )
    picked = None if kind == "amount" and names_money(known) else next(picks, None)
    if not found:
        return "", False
    lookup, _, leaf = picked or found[0]
    return f"{lookup.tool}{leaf.path and ' '}{leaf.path}", picked is not None


def _find_records(value: str, place: str, kind: str, known: Evidence) -> list[tuple[Lookup, Row, Leaf]]:
    """Where a value stands in systems of record; a number that is an id only where it is one, and no other there.

    Digits that are written as a text are a name, whatever their field is called, and never so much of anything.
    """
    found = known.index.find(value) if value else []
    if is_number(value):
        named = is_id(place)
        found = [one for one in found if (kind != "amount" if one[2].code else is_id(one[2].path) == named)]
    return found


def _may_be_told(found: tuple[Lookup, Row, Leaf], value: str, known: Evidence) -> bool:
    """Whether a text may carry it: a record of what the model chose, but not what only the user may give away."""
    lookup, _, leaf = found
    public = lookup.arguments not in NO_ARGUMENTS and not is_secret(value) and "@" not in value
    return (public and not known.others_name(value)) or is_mentioned(lookup, leaf, known)


def _find_warrant(value: str, kind: str, tool: str, known: Evidence, rules: Rules) -> tuple[Origin | Literal[""], str]:
    """Who that may say so has named a normal value, and where; "" if nobody has."""
    if not value:
        return "", ""
    if known.user_counts(value) if kind == "amount" and is_number(value) else known.user_names(value):
        return "user", ""
    if is_listed(value, rules.allow.get(kind, ())):
        return "allowed", f"policy.allow.{kind}"
    voucher = known.vouches.find(value, tool)
    if voucher:
        return "vouched", voucher
    parts = split_moment(value)
    for read in known.texts if rules.vouch else ():
        if read.source.partition("(")[0] in rules.vouch and not read.failed and _all_named((read.own,), parts):
            return "vouched", read.source
    return "", ""


def _find_others(value: str, known: Evidence, *, told: bool) -> tuple[Origin, str]:
    """Which text by others names a value, where it is to be ``told``."""
    if not known.others_name(value):
        return "nowhere", ""
    return "others", (find_source(known.texts, value) if told else "") or EARLIER


def _all_named(texts: Sequence[str], parts: Sequence[str]) -> bool:
    return all(any(names(text, part) for text in texts) for part in parts)
