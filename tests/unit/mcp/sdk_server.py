"""An MCP server made with the SDK: over standard streams, or over HTTP on the port that its first argument names."""

import sys

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

server = MCPServer("sdk")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True))
def greet(name: str, greeting: str = "Hello") -> str:
    """Greets somebody."""
    return f"{greeting}, {name}!"


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]), json_response=len(sys.argv) > 2)
else:
    server.run("stdio")
