"""The guard: what comes in is made plain and looked at, what goes out is cleaned.

Detection is a risk signal, never a wall.
"""

from __future__ import annotations

from surefoot.guard.detect import Detection, detect
from surefoot.guard.sanitizer import InputSanitizer, SanitizationResult
from surefoot.guard.threats import Threat, ThreatClass

__all__ = [
    "Detection",
    "InputSanitizer",
    "SanitizationResult",
    "Threat",
    "ThreatClass",
    "detect",
]
