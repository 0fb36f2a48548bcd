"""What a server returns, as text for a model."""

from __future__ import annotations

from typing import Final

import msgspec
from mcp_types import (
    AudioContent,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from surefoot.mcp.limits import MAX_PARTS
from surefoot.mcp.outcome import Shown

_NAME_CHARS: Final = 200


def show_result(result: CallToolResult) -> Shown:
    """The texts of a result in order, and a line for each part that is no text; its data, if there are no parts."""
    parts = [_show(block) for block in result.content[:MAX_PARTS]]
    rest = len(result.content) - MAX_PARTS
    if rest > 0:
        parts.append(f"[{rest} more parts are left out]")
    if not parts and result.structured_content is not None:
        parts.append(msgspec.json.encode(result.structured_content).decode())
    return Shown("\n".join(parts), is_error=bool(result.is_error))


def _show(block: ContentBlock) -> str:
    if isinstance(block, TextContent):
        return block.text
    if isinstance(block, ImageContent | AudioContent):
        return f"[{block.type}, {_short(block.mime_type)}, {_size(block.data)}: not shown]"
    if isinstance(block, EmbeddedResource):
        held = block.resource
        if isinstance(held, TextResourceContents):
            return f"[resource {_short(held.uri)}]\n{held.text}"
        return f"[resource {_short(held.uri)}, {_short(held.mime_type or 'no type')}, {_size(held.blob)}: not shown]"
    return f"[link to resource {_short(block.uri)}: {_short(block.name)}]"


def _size(base64: str) -> str:
    return f"{len(base64) * 3 // 4:,} bytes"


def _short(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= _NAME_CHARS else f"{shown[:_NAME_CHARS]}..."
