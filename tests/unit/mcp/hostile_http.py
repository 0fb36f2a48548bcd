"""An MCP server over streamable HTTP that wants to hurt whoever calls it: it speaks by hand, one task a request."""

import asyncio
import json
from contextlib import asynccontextmanager

STREAM = b"content-type: text/event-stream\r\n"
PLAIN = b"content-type: application/json\r\n"


class HostileHttp:
    """What it does, by the text of a call; and what it has seen."""

    def __init__(self):
        self.begun = self.gets = self.resumed = self.dripping = self.answers = 0
        self.holds = False
        self.hangs_up = True
        self.token = ""
        self.url = ""
        self.waiting = None

    async def serve(self, reader, writer):
        try:
            while (first := await reader.read(1)) not in {b"", b"\x16"}:  # 22: somebody begins TLS
                head = first + await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                self.token = fields.get(b"authorization", b"").decode()
                if head.startswith(b"GET"):
                    await self.listen(fields, writer)
                    return
                await self.answer(json.loads(body or b"{}"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def listen(self, fields, writer):
        """Hangs up, and wants to be called at once; with an id of an event, too."""
        self.gets += 1
        self.resumed += b"last-event-id" in fields
        status = b"200 OK" if self.hangs_up else b"405 No"
        writer.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\n" + STREAM + b"\r\nid: 7\nretry: 0\ndata:\n\n")
        await writer.drain()

    async def answer(self, message, writer):
        method = message.get("method", "")
        if "id" not in message or not method:
            self.answers += not method
            if self.holds:
                await asyncio.sleep(600)
            await send(writer, b"202 Accepted", b"")
        elif method == "initialize":
            self.begun += 1
            info = {"name": "h", "version": "1"}
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            await reply(writer, message, b"mcp-session-id: s1\r\n", result=result)
        elif method == "tools/list":
            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            await reply(writer, message, result={"tools": [{"name": "echo", "inputSchema": schema}]})
        elif method == "tools/call":
            await self.call(message, message["params"]["arguments"]["text"], writer)
        else:
            await reply(writer, message, error={"code": -32601, "message": "no"})

    async def call(self, message, said, writer):
        if said == "drip":
            self.waiting = message["id"]
            self.dripping += 1
            try:
                await begin(writer)
                while True:
                    writer.write(b"2\r\n:\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            finally:
                self.dripping -= 1
        elif said == "resume":
            await begin(writer, b"id: 1\nretry: 0\ndata:\n\n")
            writer.close()
        elif said == "pings":
            ping = json.dumps({"jsonrpc": "2.0", "id": "p", "method": "ping"}).encode()
            self.holds = True
            await begin(writer, (b"data: " + ping + b"\n\n") * 500)
            await asyncio.sleep(600)
        elif said == "head":
            writer.write(b"HTTP/1.1 200 OK\r\n" + b"x-much: " + b"y" * 1_000_000 + b"\r\n\r\n")
            await writer.drain()
        elif said == "dense":
            await send(writer, b"200 OK", b'{"jsonrpc":"2.0","id":1,"result":[' + b"[]," * 60_000 + b"[]]}")
        elif said == "dense event":
            await begin(writer, b'data: {"jsonrpc":"2.0","method":"m","params":{"a":[' + b"[]," * 60_000 + b"[]]}}\n\n")
        elif said == "not yours":
            await reply(writer, {"id": self.waiting}, result={"content": [{"type": "text", "text": "of another id"}]})
        elif said == "token":
            await reply(writer, message, status=b"401 No", error={"code": -1, "message": f"bad {self.token}"})
        elif said == "elsewhere":
            writer.write(b"HTTP/1.1 307 T\r\nlocation: " + self.url.encode() + b"\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        else:
            await reply(writer, message, result={"content": [{"type": "text", "text": said}]})


async def begin(writer, data=b""):
    """A stream of events without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + STREAM + b"\r\n")
    if data:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


async def send(writer, status, body, head=b""):
    writer.write(
        b"HTTP/1.1 " + status + f"\r\ncontent-length: {len(body)}\r\n".encode() + PLAIN + head + b"\r\n" + body
    )
    await writer.drain()


async def reply(writer, message, head=b"", status=b"200 OK", **outcome):
    await send(writer, status, json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}).encode(), head)


@asynccontextmanager
async def serve(state):
    tasks, writers = set(), []

    def take(reader, writer):
        writers.append(writer)
        tasks.add(asyncio.create_task(state.serve(reader, writer)))

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()  # what nobody reads keeps it open
        await asyncio.gather(*[writer.wait_closed() for writer in writers], return_exceptions=True)
