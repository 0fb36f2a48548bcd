"""The kinds of threat that the guard knows, and what it says of each."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class ThreatClass(StrEnum):
    """What an attacker tries."""

    INSTRUCTION_OVERRIDE = "instruction_override"
    ROLE_PLAY = "role_play"
    FAKE_SYSTEM_TURN = "fake_system_turn"
    TEMPLATE_INJECTION = "template_injection"
    MARKUP_INJECTION = "markup_injection"
    DELIMITER_FORGERY = "delimiter_forgery"
    EXFILTRATION = "exfiltration"
    HIDDEN_TEXT = "hidden_text"
    PAYLOAD_SPLITTING = "payload_splitting"
    PROMPT_EXTRACTION = "prompt_extraction"
    EMBEDDED_REQUEST = "embedded_request"
    SUSPICIOUS_WORDING = "suspicious_wording"


class Threat(Struct, frozen=True):
    """Something in a text that an attack would have.

    Attributes:
        kind: What it would be.
        start: Where it begins in the original text, in characters.
        end: Where it ends.
        score: 0 to 1: how sure it is, by itself.
        why: One line for a person.
        via: How it was disguised: ``base64``, ``rot13``, ``spaced letters``, ...; "" if it was not.
    """

    kind: ThreatClass
    start: int
    end: int
    score: float
    why: str
    via: str = ""
