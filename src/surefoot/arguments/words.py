"""Texts that cannot become code where they are put: in a command, a query, a template, a page, a header."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias, get_origin

from surefoot.arguments.characters import fold, refuse_hidden
from surefoot.arguments.check import Check
from surefoot.arguments.hosts import is_closed_name, read_host
from surefoot.errors import ConfigError
from surefoot.types import JsonSchema


class MaxLength(Check):
    """``Annotated[str, MaxLength(200)]``: characters of a text, items of a list or dict, at most."""

    __slots__ = ("most",)
    kinds = (str, bytes, list, tuple, set, frozenset, dict)

    def __init__(self, most: int) -> None:
        """Raises `ConfigError` for what is no whole number of 0 or more."""
        self.most: Final = most
        if type(most) is not int or most < 0:
            raise ConfigError(f"MaxLength({most!r}): must be a whole number, 0 or more")

    def schema(self, kind: Any) -> JsonSchema:  # noqa: D102
        if kind is str:
            return {"maxLength": self.most}
        return {"maxProperties" if get_origin(kind) is dict else "maxItems": self.most}

    def read(self, value: Any) -> Any:
        """The value as it is. Raises ``ValueError``."""
        _refuse_more(value, self.most, "characters" if isinstance(value, str) else "items")
        return value


def _refuse_more(value: Any, most: int, kind: str = "characters") -> None:
    if len(value) > most:
        raise ValueError(f"has {len(value)} {kind}, and at most {most} are allowed")


class Word(Check):
    """One word of a fixed set of characters.

    Attributes:
        name: What it is called in an error.
        pattern: The whole word, as a regular expression of JSON Schema and of Python.
        advice: What to write, for the model.
        reserved: Words in lower case that are refused though they fit.
    """

    __slots__ = ("_match", "advice", "name", "pattern", "reserved")

    def __init__(self, name: str, pattern: str, advice: str, reserved: frozenset[str] = frozenset()) -> None:
        """``pattern`` must not be able to match one text in two ways, or a long text takes long.

        Raises:
            ConfigError: It is no regular expression.
        """
        self.name: Final = name
        self.pattern: Final = pattern
        self.advice: Final = advice
        self.reserved: Final = reserved
        try:
            self._match: Final = re.compile(pattern.removeprefix("^").removesuffix("$")).fullmatch
        except re.error as error:
            raise ConfigError(f"Word({name!r}): {pattern!r} is no regular expression: {error}") from None

    def schema(self, kind: Any) -> JsonSchema:  # noqa: D102
        return {"pattern": self.pattern, "description": self.advice}

    def read(self, value: str) -> str:
        """The word as it is. Raises ``ValueError``."""
        if self._match(value) is None:
            raise ValueError(f"is not {self.name}: {self.advice}")
        if self.reserved and not self.reserved.isdisjoint(value.lower().split(".")):
            raise ValueError(f"is a reserved word: {self.advice}")
        return value


_SQL_WORDS: Final = frozenset(  # that begin, join or end a statement; nobody calls a table so
    """
    all alter analyze and any as asc attach begin between by call case cast check collate column commit create cross
    current_user database declare default delete desc detach distinct drop else end escape except exec execute exists
    explain fetch for foreign from full grant group having if in index inner insert intersect into is join key left like
    limit load merge natural not null of offset on or order outer pragma primary procedure references replace returning
    revoke right rollback row select session_user set shutdown sleep some table then to transaction trigger truncate
    union unique update use user using values view waitfor when where with
    """.split()  # noqa: SIM905 - a table
)
_MARKS: Final = "\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u064b-\u065f"
_SIGN: Final = re.compile(rf"[^\w./:@%+,=\-{_MARKS}]|^[-~=]")


class _ShellWord(Check):
    """See `ShellWord`."""

    __slots__ = ()
    _MOST: Final = 1024
    _ADVICE: Final = "write one word of letters, digits and `_ . / : @ % + , = -`, not beginning with `-`, `=` or `~`"

    def schema(self, kind: Any) -> JsonSchema:
        return {"maxLength": self._MOST, "description": f"One word of a command line: {self._ADVICE}"}

    def read(self, value: str) -> str:
        refuse_hidden(value)
        found = _SIGN.search(fold(value))  # fullwidth signs are signs to some terminals
        if not value or len(value) > self._MOST or found:
            shown = f"has `{found[0]}`" if found else f"is empty or longer than {self._MOST} characters"
            raise ValueError(f"{shown}: {self._ADVICE}")
        return value


class _SqlText(Check):
    """See `SqlText`."""

    __slots__ = ()
    _MOST: Final = 1000
    _SIGNS: Final = re.compile(
        r"['\"`;\\=<>|*#@$&^~{}\[\]()\x00\u02bc\u02b9\u2032\u2018\u201b\u00b4\u02bb]|--|/\*|%00|\b0x[0-9a-f]"
    )
    _PHRASES: Final = re.compile(
        r"\b(?:union[\s+]+(?:all[\s+]+)?select|(?:or|and|xor|not)[\s+]+(?:not[\s+]+)?(?:\d|true|false|null|exists|sleep|benchmark)"
        r"|order[\s+]+by[\s+]+\d|group[\s+]+by[\s+]+\d|having[\s+]+\d|waitfor[\s+]+delay|select[\s+]+\w+[\s+]+from|insert[\s+]+into|delete[\s+]+from"
        r"|(?:drop|alter|truncate|create)[\s+]+(?:table|database|schema|user|view|index|procedure|function)|update[\s+]+\w+[\s+]+set"
        r"|into[\s+]+(?:outfile|dumpfile)|exec(?:ute)?[\s+]+(?:xp|sp|immediate|master)|shutdown[\s+]+with|is[\s+]+(?:not[\s+]+)?null|(?:r?like|between)[\s+]+\d)",
    )

    def schema(self, kind: Any) -> JsonSchema:
        return {
            "maxLength": self._MOST,
            "description": "Text without quotes, brackets, backslashes, `;`, `--`, `=` and other signs of SQL; "
            "write ’ for an apostrophe",
        }

    def read(self, value: str) -> str:
        refuse_hidden(value)
        plain = fold(value).lower()
        found = self._SIGNS.search(plain) or self._SIGNS.search(value) or self._PHRASES.search(plain)
        if found:
            raise ValueError(f"has `{found[0]}`, which could be SQL: write it without, and ’ for an apostrophe")
        _refuse_more(value, self._MOST)
        return value


class Plain(Check):
    """``Annotated[str, Plain(lines=True)]``: prose, with ends of lines; `PlainText` is one line.

    Refused are markup (``<b>``, entities, ``javascript:``), templates (``{{``, ``${``, ``<%``), calls of scripts,
    control and unseen characters, also where they are disguised as fullwidth or mathematical forms.
    """

    __slots__ = ("lines", "most")
    _SIGNS: Final = re.compile(
        r"<[A-Za-z/!?%@$#]|[%?\]]>|<<|&#|&[A-Za-z][A-Za-z0-9]{1,30};"  # markup and entities
        r"|\{[{%#@*!=0-9$]|[}%]\}|[$#@*~%][{(]|\[\[|\]\]|\$!|\{[a-z]{1,30}[.:|}]"  # templates
        r"|#(?:set|foreach|include)\b|@[a-z]{2,20}\("
        r"|\b(?:javascript|vbscript|livescript|data|jar|file|php|expect|gopher|dict|phar|ldap|rmi|jndi)\s*:(?:\S|$)"
        r"|\bon[a-z]{3,30}\s*=|\b[a-z-]{1,30}=[\"']"  # attributes
        r"|\b(?:src|href|style|action|formaction|xmlns|srcdoc)\s*="
        r"|%(?:0[0adAD]|3[cCeE]|2[27]|7[bB]|5[fF]|25[0-9A-Fa-f%]|[cC]4%8[aAdD]|[eE]5%98%8[aAdD])|%[a-z]{2,20};"
        r"|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f{]|[0-7]{2,3}|[rn])|\+A[A-Za-z0-9+/]{2}-"  # escapes, UTF-7
        r"|__[a-z]{1,30}__|['\"]\s*\+\s*['\"]|['\"](?:\]|\)[};])|\[[#$]|\bnew\s+[A-Z][A-Za-z]{1,40}\(|\$\.[a-z]"  # code
    )
    _CALLS: Final = re.compile(
        r"\b(?:alert|prompt|confirm|eval|exec|system|fetch|import|require|settimeout|setinterval|function|passthru|popen|"
        r"shell_exec|fromcharcode|atob|getclass|forname|invoke|writeln)\s*[(`]|\b(?:document|window|location|globalthis|"
        r"navigator|localstorage|process|runtime|reflect|constructor|prototype)\s*(?:\.[a-z]|\[)"
    )

    def __init__(self, *, lines: bool = False, most: int = 10_000) -> None:
        """Whether tabs and ends of lines are allowed; characters at most."""
        self.lines: Final = lines
        self.most: Final = most

    def schema(self, kind: Any) -> JsonSchema:  # noqa: D102
        extent = "Plain text" if self.lines else "One line of plain text"
        return {
            "maxLength": self.most,
            "description": f"{extent}, without markup, code or placeholders of templates",
        }

    def read(self, value: str) -> str:
        """The text as it is. Raises ``ValueError``."""
        _refuse_more(value, self.most)
        refuse_hidden(value, lines=self.lines)
        plain = fold(value)
        found = self._SIGNS.search(plain) or self._CALLS.search(plain.lower())
        if found:
            raise ValueError(f"has `{found[0]}`, which could be markup or code: say it in plain words")
        return value


class _EmailAddress(Check):
    """See `EmailAddress`."""

    __slots__ = ()
    _LOCAL: Final = re.compile(r"[A-Za-z0-9_+-]+(?:['.][A-Za-z0-9_+-]+)*")

    def schema(self, kind: Any) -> JsonSchema:
        return {
            "format": "email",
            "maxLength": 254,
            "description": "One address, as name@example.com, without a display name",
        }

    def read(self, value: str) -> str:
        local, at, domain = value.rpartition("@")
        if not at or len(value) > 254 or len(local) > 64 or not self._LOCAL.fullmatch(local) or local.startswith("-"):
            raise ValueError("is no e-mail address: write one as name@example.com, without a display name")
        host = read_host(domain)
        if is_closed_name(host) or host[-1].isdigit() or domain.endswith((".", "]")):
            raise ValueError("has a domain of no public host: write an address as name@example.com")
        return value


Identifier: TypeAlias = Annotated[
    str,
    Word(
        "an identifier",
        r"^[A-Za-z0-9](?:[_.-]?[A-Za-z0-9])*$",
        "1 to 128 letters a-z and A-Z, digits, and single `_`, `-` or `.` between them",
    ),
    MaxLength(128),
]
"""A name or number of a thing: an order, a user, a branch."""

SqlIdentifier: TypeAlias = Annotated[
    str,
    Word(
        "a name of a table or column",
        r"^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*){0,2}$",
        "letters a-z and A-Z, digits and `_`, with at most two dots, as schema.table.column; no word of SQL",
        _SQL_WORDS,
    ),
    MaxLength(128),
]
"""A table or a column, with its schema: what a query cannot take as a parameter."""

ShellWord: TypeAlias = Annotated[str, _ShellWord()]
"""One word that no shell splits, expands or takes for an option. A list of arguments for ``exec`` is better still."""

SqlText: TypeAlias = Annotated[str, _SqlText()]
"""Text without quotes, operators and phrases of SQL. Parameters of the query are better still."""

PlainText: TypeAlias = Annotated[str, Plain()]
"""One line of prose: no markup, templates, code, control or unseen characters."""

EmailAddress: TypeAlias = Annotated[str, _EmailAddress()]
"""One plain e-mail address of a public host."""
