"""Stands in for the engine, behind the same three names, so that its process can be tested in milliseconds.

The "model" is a text file: ``GGUF raise``, ``GGUF abort``, ``GGUF deaf`` (its server takes requests and never answers) or anything else.
"""

import http.server
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace


class CommonParams:
    def __init__(self):
        self.model = SimpleNamespace(path="")
        self.sampling = SimpleNamespace(temp=0.8)
        self.cpuparams = SimpleNamespace(n_threads=-1)
        self.cpuparams_batch = SimpleNamespace(n_threads=-1)


class Server:
    def __init__(self, params):
        behaviour = Path(params.model.path).read_text()
        print("the engine talks on the standard output")
        if "raise" in behaviour:
            raise RuntimeError("no such architecture")
        if "abort" in behaviour:
            print("GGML_ASSERT failed", file=sys.stderr, flush=True)
            os._exit(3)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = self.rfile.read(int(self.headers["Content-Length"]))
                while "deaf" in behaviour:
                    time.sleep(1)
                told = {"asked": json.loads(asked), "settings": shown, "headers": dict(self.headers)}
                body = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                print("a request", file=sys.stderr)

        settings = {name: value for name, value in vars(params).items() if isinstance(value, int | str | float | list)}
        shown = settings | {"temp": params.sampling.temp, "threads": params.cpuparams.n_threads}
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.listening_address = f"http://127.0.0.1:{server.server_address[1]}"
