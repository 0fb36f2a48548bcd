"""Everything a user needs to test agents without a provider: scripted models and a fake provider over real HTTP."""

from surefoot.testing.bill import Bill, Charge, Price
from surefoot.testing.brain import Brain
from surefoot.testing.choice import Choice, Mix
from surefoot.testing.recent import Recent
from surefoot.testing.request import ProviderRequest
from surefoot.testing.script import (
    Answer,
    Failure,
    Fault,
    call,
    call_raw,
    calls,
    fail,
    garbage,
    hang,
    overflow,
    refuse,
    reset,
    say,
    status,
)
from surefoot.testing.scripted import ScriptedModel, ScriptedPrompt, ScriptedRequest
from surefoot.testing.server import FakeProvider
from surefoot.testing.simulation import Report, World, simulate
from surefoot.testing.teller import Stats

__all__ = [
    "Answer",
    "Bill",
    "Brain",
    "Charge",
    "Choice",
    "Failure",
    "FakeProvider",
    "Fault",
    "Mix",
    "Price",
    "ProviderRequest",
    "Recent",
    "Report",
    "ScriptedModel",
    "ScriptedPrompt",
    "ScriptedRequest",
    "Stats",
    "World",
    "call",
    "call_raw",
    "calls",
    "fail",
    "garbage",
    "hang",
    "overflow",
    "refuse",
    "reset",
    "say",
    "simulate",
    "status",
]
