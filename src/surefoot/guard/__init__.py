"""The guard: what comes in is made plain and looked at, what goes out is cleaned.

Detection is a risk signal, never a wall.
"""

from __future__ import annotations

from surefoot.guard.detect import Detection, detect
from surefoot.guard.normalize import Normalized, normalize
from surefoot.guard.sanitizer import InputSanitizer, SanitizationResult
from surefoot.guard.threats import Threat, ThreatClass

__all__ = [
    "Detection",
    "InputSanitizer",
    "Normalized",
    "SanitizationResult",
    "Threat",
    "ThreatClass",
    "detect",
    "normalize",
]
