"""An MCP server over streamable HTTP, by hand: sessions as of 2025, and all that may go wrong on the way."""

import gzip
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PlainHttp:
    """What it has seen and what it will do."""

    def __init__(self):
        self.session = "s1"
        self.calls = []
        self.headers = []
        self.begun = 0
        self.faults = []
        self.gate = threading.Event()

    def reply(self, handler, message):
        method = message["method"]
        if "id" not in message:
            raw(handler, 202, b"", {})
        elif method == "initialize":
            self.begun += 1
            info = {"name": "p", "version": "1"}
            result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
            send(handler, message, result, {"mcp-session-id": self.session})
        elif method not in {"tools/list", "tools/call"}:
            error(handler, message, -32601, "no such method")
        elif handler.headers.get("mcp-session-id") != self.session:
            raw(handler, 404, b"who are you?", {})
        elif method == "tools/list":
            schema = {"type": "object", "properties": {"text": {"type": "string"}}}
            send(handler, message, {"tools": [{"name": "echo", "description": "Says it.", "inputSchema": schema}]})
        else:
            self.call(handler, message)

    def call(self, handler, message):
        self.calls.append(message["params"]["arguments"]["text"])
        result = {"content": [{"type": "text", "text": self.calls[-1]}]}
        fault = self.faults.pop(0) if self.faults else ""
        if fault in RAW:
            raw(handler, *RAW[fault])
        elif fault in {"reset", "hang"}:
            if fault == "hang":
                self.gate.wait(30)
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif fault.startswith("huge"):
            huge = {"content": [{"type": "text", "text": "x" * (5 << 20)}]}
            (sse if fault == "huge event" else send)(handler, message, huge)
        else:
            (sse if fault == "event" else send)(handler, message, result)


JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
RAW = {
    "half an event": (200, b"data: {\n", {"content-type": "text/event-stream"}),
    "bomb": (200, gzip.compress(b"x" * (64 << 20)), {**JSON, "content-encoding": "gzip"}),
    "page": (500, b"<html>trouble</html>", HTML),
    "html": (200, b"<html>login</html>", HTML),
    "no json": (200, b"{", JSON),
    "elsewhere": (307, b"", {"location": "http://evil.example/mcp"}),
}


def raw(handler, status, body, headers):
    handler.send_response(status)
    for name, value in {**headers, "content-length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def send(handler, message, result, headers=None):
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    raw(handler, 200, body, {"content-type": "application/json", **(headers or {})})


def error(handler, message, code, words):
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": words}}).encode()
    raw(handler, 200, body, {"content-type": "application/json"})


def sse(handler, message, result):
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    raw(handler, 200, b"event: message\ndata: " + body + b"\n\n", {"content-type": "text/event-stream"})


@contextmanager
def serve(state):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            state.headers.append(dict(self.headers))
            state.reply(self, json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def do_GET(self):
            raw(self, 405, b"", {})

        def do_DELETE(self):
            raw(self, 204, b"", {})

        def log_message(self, *_):
            """Says nothing."""

        def handle(self):
            try:
                super().handle()
            except (ConnectionError, ValueError):
                self.close_connection = True

        def finish(self):
            try:
                super().finish()
            except (ConnectionError, ValueError):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    finally:
        state.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
