"""Tools of MCP servers, as tools of an agent: what they say is pinned, and nobody trusts what they return."""

from __future__ import annotations

from surefoot.mcp.server import McpServer

__all__ = ["McpServer"]
