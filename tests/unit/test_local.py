"""The embedded model's process, with a stand-in for the engine; tests/e2e has the real one."""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from surefoot.errors import ConfigError
from surefoot.local import LocalServer
from surefoot.models.address import check_base_url
from surefoot.models.http import HttpClient
from surefoot.models.status import Peer
from surefoot.sections import LocalSettings
from surefoot.weights import Weights

ENGINE = Path(__file__).parent / "engine"


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.syspath_prepend(ENGINE)
    monkeypatch.setenv("PYTHONPATH", str(ENGINE))


def model(tmp_path, behaviour="works"):
    path = tmp_path / "tiny.gguf"
    path.write_text(f"GGUF {behaviour}")
    return str(path)


async def ask(server, body=b"{}", key=None):
    http = HttpClient()
    parts = check_base_url(server.base_url + "/chat/completions", "test")
    endpoint = http.prepare(parts, {"Authorization": f"Bearer {key or server.api_key}"}, Peer("local", "here", "-"))
    try:
        status, _, data = await http.post(endpoint, body, timeout_s=20)
    finally:
        await http.close()
    return status, json.loads(data)


async def test_it_serves_the_model_with_safe_settings(tmp_path):
    settings = LocalSettings(path=model(tmp_path), context_tokens=2048, threads=3)
    async with LocalServer(settings) as server:
        assert server.name == "tiny"
        assert server.base_url.startswith("http://127.0.0.1:")
        status, told = await ask(server, b'{"messages": []}')
    assert status == 200
    assert told["asked"] == {"messages": []}
    shown = told["settings"]
    assert shown["api_keys"] == [server.api_key]
    assert shown["hostnames"] == ["127.0.0.1"]
    assert shown["cors_origins"] == "null"
    assert shown["ui"] is False
    assert (shown["n_ctx"], shown["n_parallel"], shown["threads"], shown["temp"]) == (2048, 1, 3, 0.0)


async def test_threads_are_left_to_the_engine_unless_they_are_set(tmp_path):
    async with LocalServer(LocalSettings(path=model(tmp_path))) as server:
        _, told = await ask(server)
    assert told["settings"]["threads"] == -1


async def test_without_the_key_nothing_is_answered_and_keys_are_new_each_time(tmp_path):
    settings = LocalSettings(path=model(tmp_path))
    async with LocalServer(settings) as server:
        status, told = await ask(server, key="guessed")
    assert status == 401
    assert "key" in told["error"]["message"]
    assert len({server.api_key, LocalServer(settings).api_key}) == 2


async def test_starting_twice_at_once_starts_one_engine(tmp_path):
    server = LocalServer(LocalSettings(path=model(tmp_path)))
    await asyncio.gather(server.start(), server.start())
    address = server.base_url
    await server.start()
    assert server.base_url == address
    await server.close()
    await server.close()
    assert server.base_url == ""


async def test_closing_gives_up_what_is_being_computed(tmp_path):
    server = LocalServer(LocalSettings(path=model(tmp_path, "deaf")))
    await server.start()
    answer = asyncio.create_task(ask(server))
    await asyncio.sleep(0)
    await server.close()
    with pytest.raises(Exception, match=r"reach|broke"):
        await answer


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("raise", "RuntimeError: no such architecture"), ("abort", "exit code 3(.|\n)*GGML_ASSERT failed")],
)
async def test_a_model_that_cannot_be_loaded_is_one_clear_error(tmp_path, behaviour, said):
    server = LocalServer(LocalSettings(path=model(tmp_path, behaviour)))
    with pytest.raises(ConfigError, match=f"cannot be loaded from .*tiny.gguf: .*{said}"):
        await server.start()
    assert server.base_url == ""
    await server.close()


async def test_nothing_is_printed(tmp_path, capfd):
    async with LocalServer(LocalSettings(path=model(tmp_path))) as server:
        await ask(server)
    assert capfd.readouterr() == ("", "")


async def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError, match=r"pip install 'surefoot\[local\]'"):
        await LocalServer(LocalSettings(path=model(tmp_path))).start()


async def test_a_cancelled_start_leaves_no_process(tmp_path):
    server = LocalServer(LocalSettings(path=model(tmp_path)))
    starting = asyncio.create_task(server.start())
    while not children():  # noqa: ASYNC110 - the kernel has no event for it
        await asyncio.sleep(0.001)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert children() == []


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def test_the_engine_ends_with_a_killed_parent(tmp_path):
    program = (
        "import asyncio, os, sys\n"
        "from surefoot.sections import LocalSettings\n"
        "from surefoot.local import LocalServer\n"
        "async def main():\n"
        "    server = LocalServer(LocalSettings(path=sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.base_url, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, model(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await parent.communicate()
    port = int(said.decode().split(":")[2].split("/")[0])
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                break
            writer.close()
            await asyncio.sleep(0.01)


async def test_weights_are_fetched_with_progress_told_in_the_event_loop(tmp_path):
    data = b"GGUF works" * 1000
    weights = Weights("tiny.gguf", len(data), hashlib.sha256(data).hexdigest(), tmp_path / "no pins")
    loop = asyncio.get_running_loop()
    told = []

    def progress(done_bytes, all_bytes):
        assert asyncio.get_running_loop() is loop
        told.append((done_bytes, all_bytes))

    async def serve_file(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data) + data)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve_file, "127.0.0.1", 0) as publisher:
        port = publisher.sockets[0].getsockname()[1]
        settings = LocalSettings(url=f"http://127.0.0.1:{port}/tiny.gguf", cache=str(tmp_path / "cache"))
        async with LocalServer(settings, progress, weights=weights) as server:
            assert server.name == "tiny"
    assert told[-1] == (len(data), len(data))


async def test_a_cancelled_fetch_stops_and_leaves_nothing(tmp_path):
    asked, stopped, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stall(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nGG")
        asked.set()
        await stopped.wait()
        writer.close()
        closed.set()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as publisher:
        port = publisher.sockets[0].getsockname()[1]
        settings = LocalSettings(url=f"http://127.0.0.1:{port}/tiny.gguf", cache=str(tmp_path))
        server = LocalServer(settings, weights=Weights("tiny.gguf", 100, "0" * 64, tmp_path / "no pins"))
        starting = asyncio.create_task(server.start())
        await asked.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        models = tmp_path / "models"
        while any(models.iterdir()):  # noqa: ASYNC110 - a thread tidies up
            await asyncio.sleep(0.01)
        stopped.set()
        await closed.wait()
