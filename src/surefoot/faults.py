"""What is wrong in a settings file, in words."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from surefoot.providers import Provider
from surefoot.sections import McpSettings, Tenant


def find_fault(table: dict[str, Any], error: str) -> str:
    """What is wrong, where, in words; with the name of a provider or tenant, which msgspec shows as ``[...]``."""
    for section, kind in (("providers", Provider), ("tenants", Tenant), ("mcp", McpSettings)):
        inner: Any = table.get(section)
        for name, value in cast("dict[str, Any]", inner).items() if isinstance(inner, dict) else ():
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError as fault:
                return _reword(str(fault), f"{section}.{name}")
    return _reword(error, "")


def _reword(error: str, where: str) -> str:
    fault, _, key = error.partition(" - at `$")
    place = f"{where}{key.rstrip('`')}".lstrip(".")
    what, _, field = fault.partition(" field `")
    if field:
        name = f"{place}.{field.rstrip('`')}".lstrip(".")
        return f"{name} is missing" if "missing" in what else f"there is no setting {name}"
    return f"{place}: {fault}"
