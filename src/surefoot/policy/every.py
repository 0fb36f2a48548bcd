"""Whether the user wants a tool called for each thing of a kind: ``mail every member of the team``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from surefoot.policy.declared import ToolPolicy
from surefoot.policy.described import is_name, is_telling, nouns
from surefoot.policy.evidence import Evidence
from surefoot.policy.intent import list_intents, list_stems, stem
from surefoot.policy.lookup import Leaf, Lookup, Row
from surefoot.policy.matching import names
from surefoot.policy.selection import NO_ARGUMENTS, is_settled
from surefoot.policy.words import Words

_EXCEPTS: Final = re.compile(
    r" (?:except|excepting|excluding|without|besides|minus|excepted|save for|(?:other|rather) than|(?:apart|aside) from"
    r"|(?:all|\S*one|\S*body|every \S+|each \S+|all \S+|all the \S+) but) "
)
"""Not all of them."""
_EVERYBODY: Final = frozenset({"everyone", "everybody"})
_ALL: Final = frozenset({"all", "every", "each", "both", "whatever", "whichever"}) | _EVERYBODY
_NARROWING: Final = frozenset(
    {"of", "in", "on", "at", "who", "whose", "that", "which", "from", "with", "mentioned", "for", "named"}
)
"""Words after "all the ..." that say which: then it must have been looked up by the user's own words."""
_PEOPLE: Final = frozenset([
    stem(word)
    for word in ("user", "person", "people", "member", "participant", "recipient", "sender", "contact", "colleague")
])  # fmt: skip
_OF_THEM: Final = frozenset({"them", "one", "ones", "those", "these"})
_OWN: Final = frozenset({"her", "his", "its", "their", *_OF_THEM})
"""Words for what stands elsewhere in the request."""
_BACK: Final = frozenset({"them", "their"})
"""Words for all those that were spoken of."""
_AWAY: Final = frozenset({"to", "with", "into", "for", "at", "by"})
"""Words after "them" that say where they go."""
_TOWARDS: Final = frozenset({"to", "with", "into"})
_TO_PEOPLE: Final = frozenset({"tell", "ask", "remind", "inform", "notify", "invite", "warn", "thank", "let", "to"})
"""Whatever follows these gets what is sent."""
_CUTS: Final = frozenset({"and", "then", "but", "or", "also", "afterwards"})
"""Words with which a verb for something else may begin."""
_NOBODY: Final = frozenset[int]()
_MOST_ALLS: Final = 50
"""So often a request says "all" that is looked at."""
_MOST_NARROWING: Final = 4
_BEFORE: Final = 7
_AFTER: Final = 6
"""Words around "all the ..." among which the verb is looked for."""


def asks_for_all(found: tuple[Lookup, Row, Leaf], tool: ToolPolicy, kind: str, place: str, known: Evidence) -> bool:
    """Whether the user wants the tool called for each thing of this kind, of which this is one.

    Args:
        found: A value of a system of record, in its row of its look-up.
        tool: The tool that is to be called with it.
        kind: What it decides there.
        place: Where it stands in the arguments.
        known: What is known of the conversation.
    """
    if not _list_alls(known):
        return False
    lookup, row, leaf = found
    own, its = nouns(place), nouns(leaf.path)
    kinds = {*own, *its, *(nouns(lookup.tool)[1:] if is_name(leaf.path) else ())}
    kinds |= _PEOPLE if kind == "who" or kinds & _PEOPLE else frozenset()
    named = kind == "who" or is_name(leaf.path) or not set(own).isdisjoint(its)
    wanted = _Wanted(_list_verbs(tool, known), frozenset(kinds), receivers=kind == "who", named=named)
    groups = known.once(("all", id(lookup), wanted), lambda: _list_groups(lookup, wanted, known))
    return any(group is None or id(row) in group for group in groups)


class _Wanted(NamedTuple):
    """What is to be called for all of what.

    Attributes:
        verbs: Words for it, without their endings.
        kinds: Nouns for the things, without their endings.
        receivers: They get what the call sends.
        named: The value says which thing it is, so that "them" may mean it.
    """

    verbs: frozenset[str]
    kinds: frozenset[str]
    receivers: bool
    named: bool


def wants_several(tool: ToolPolicy, known: Evidence) -> bool:
    """Whether the user wants the tool called for all of something, whatever it is."""
    return known.once(("several", tool.name), lambda: _is_about_all(_list_verbs(tool, known), known))


def _is_about_all(verbs: frozenset[str], known: Evidence) -> bool:
    return any(_means(verbs, words, at) for words, at in _list_alls(known))


def _list_verbs(tool: ToolPolicy, known: Evidence) -> frozenset[str]:
    return known.once(
        ("verbs", tool.name),
        lambda: frozenset([word for intent in list_intents(tool) for word in list_stems(intent)]),
    )


def _list_alls(known: Evidence) -> list[tuple[list[str], int]]:
    """Where the request says "all" and the like: the words of the clause, and which of them it is."""
    return known.once(("alls",), lambda: _find_alls(known.list_request()))


def _find_alls(request: Iterable[Words]) -> list[tuple[list[str], int]]:
    asked = [one for one in request if _EXCEPTS.search(one.told) is None]  # nobody can tell whom he means
    clauses = [clause.split() for clause in dict.fromkeys([clause for one in asked for clause in one.list_clauses()])]
    alls = [(words, at) for words in clauses for at, word in enumerate(words) if word in _ALL]
    back = [(words, words.index(word)) for words in clauses for word in _BACK if word in words]
    return [*alls, *(back if alls else ())][:_MOST_ALLS]


def _means(verbs: frozenset[str], words: list[str], at: int, end: int = 0) -> bool:
    """Whether a word for the tool stands beside what "all" belongs to, which ends before ``end``.

    It may be joined to something else: "this and all the others".
    """
    before = words[max(0, at - _BEFORE) : at][::-1]
    if before[:1] == ["and"]:
        before = before[1:]
    near = (*_cut(before), *_cut(words[end or at + 1 :][:_AFTER]))
    return not verbs.isdisjoint([stem(word) for word in near])


def _means_receivers(verbs: frozenset[str], words: list[str], at: int, end: int) -> bool:
    """Whether what "all" belongs to gets what the call sends, and is not what is sent, or spoken of.

    So it follows the verb or "to", or begins the clause: not "mail Al all orders", nor "mail all orders to Al".
    """
    before, after = _cut(words[max(0, at - _BEFORE) : at][::-1]), _cut(words[end:][:_AFTER])
    if not before or (before == ["for"] and at == 1):  # "for each owner, pay 50"
        return not verbs.isdisjoint([stem(word) for word in after])
    verb, people = stem(before[0]), words[at] in _EVERYBODY or words[end - 1] in _OF_THEM
    people = people or stem(words[end - 1]) in _PEOPLE or before[0] in _TO_PEOPLE
    near = [stem(word) for word in (*before, *after)]
    if verb not in verbs and (before[0] not in _TOWARDS | _TO_PEOPLE or verbs.isdisjoint(near)):
        return False
    return people or _TOWARDS.isdisjoint(after)


def _list_groups(lookup: Lookup, wanted: _Wanted, known: Evidence) -> list[frozenset[int] | None]:
    """Of each "all the ..." of the request that means the tool and such things, which rows: None for all of them."""
    groups, fields, sorts = list[frozenset[int] | None](), _list_fields(lookup), _list_sorts(lookup)
    for words, at in _list_alls(known):
        end = _find_noun(words, at, wanted, fields, sorts)
        means = _means_receivers if wanted.receivers else _means
        if not end or not means(wanted.verbs, words, at, end):
            continue
        noun = stem(words[end - 1])
        sort = sorts.get(noun) if noun not in wanted.kinds else None
        own = not _OWN.isdisjoint(words[at:end])
        after = _cut(words[end : end + _AFTER])
        if (not own and _NARROWING.isdisjoint(after[:2])) or is_settled(lookup, known):
            rows = _narrow(lookup, f" {' '.join(after)} ", known, own=own)
            groups.append(rows if sort is None else sort if rows is None else rows & sort)
    return groups


def _list_sorts(lookup: Lookup) -> dict[str, frozenset[int]]:
    """Of which sort the rows are: "all the lights" are those that have the word "light" in some field."""
    sorts = dict[str, set[int]]()
    for row in lookup.rows:
        for leaf in row.leaves:
            if is_telling(leaf) and leaf.value.strip().isalpha():
                sorts.setdefault(stem(leaf.value.strip()), set()).add(id(row))
    return {word: frozenset(rows) for word, rows in sorts.items()}


def _cut(words: Sequence[str]) -> list[str]:
    """The words up to one with which something else begins."""
    end = next((at for at, word in enumerate(words) if word in _CUTS), len(words))
    return list(words[:end])


def _list_fields(lookup: Lookup) -> set[str]:
    return {noun for row in lookup.rows[:1] for leaf in row.leaves for noun in nouns(leaf.path.rpartition(".")[2])}


def _find_noun(words: list[str], at: int, wanted: _Wanted, fields: Collection[str], sorts: Collection[str]) -> int:
    """Where what "all" belongs to ends, 0 if that is none of these things."""
    if words[at] in _EVERYBODY:
        return at + 1 if wanted.kinds & _PEOPLE else 0
    for end in range(at + 1, min(at + 6, len(words) + 1)):
        word, noun = words[end - 1], stem(words[end - 1])
        if word in _OF_THEM:
            away = wanted.receivers and not _AWAY.isdisjoint(words[end : end + 1])  # "send them to Bob"
            return end if wanted.named and not away else 0
        own = not _OWN.isdisjoint(words[at : end - 1])
        if end > at + 1 and (noun in wanted.kinds or noun in sorts or (own and noun in fields)):
            return end
    return 0


def _narrow(lookup: Lookup, after: str, known: Evidence, *, own: bool) -> frozenset[int] | None:
    """The rows that hold most of what the words after the noun name, or of what the request names; None for all."""
    rows = _list_best(lookup, after)
    if rows is not None:
        return rows
    free = lookup.arguments in NO_ARGUMENTS  # so nothing in how it was looked up says which
    if own:
        said = " ".join([words.asked for words in known.list_request()])
        rows = _list_best(lookup, said)
        unsaid = rows is None and free and _list_fields(lookup).isdisjoint(list_stems(said))
        return _NOBODY if unsaid else rows
    narrowed = free and not _NARROWING.isdisjoint(after.split()[:2])
    named = "".join(after.split()[1:_MOST_NARROWING])
    if narrowed and any(named_rows := _list_named(lookup, known)):
        return named_rows
    return _NOBODY if narrowed and any(sign.isdigit() for sign in named) else None


def _list_named(lookup: Lookup, known: Evidence) -> frozenset[int]:
    """The rows that the user has called by name: "everyone I named: ..."."""
    return frozenset(
        id(row) for row in lookup.rows
        if any(is_name(leaf.path) and is_telling(leaf) and known.user_names(leaf.value) for leaf in row.leaves)
    )  # fmt: skip


def _list_best(lookup: Lookup, said: str) -> frozenset[int] | None:
    """The rows that hold most of what was said: none if they have nothing of it in common, None if no row has any."""
    named = {
        id(row): {leaf.value for leaf in row.leaves if is_telling(leaf) and names(said, leaf.value)}
        for row in lookup.rows
    }
    best = max([len(values) for values in named.values()], default=0)
    rows = {row: values for row, values in named.items() if len(values) == best}
    if best == 0:
        return None
    return frozenset(rows) if set[str].intersection(*rows.values()) else _NOBODY
