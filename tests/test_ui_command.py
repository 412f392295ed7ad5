"""`pondera ui` as a program: how it starts, what stops it, and models with hostile names."""

import json
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

import pondera
import writer
from conftest import TINY
from ui_server import PATIENCE, served


def started(*arguments):
    """A process of the program."""
    command = [sys.executable, "-m", "pondera", "ui", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_tells_its_address_and_ends_by_ctrl_c():
    with started("llama-3.1-8b", "--port", 0, "--json", "--no-open") as process:
        told = json.loads(process.stdout.readline())
        assert told["schema"] == "pondera.ui/1"
        assert told["url"] == f"http://127.0.0.1:{told['port']}/"
        # A connection that is kept open does not keep it from ending.
        with httpx.Client() as client:
            assert client.get(f"{told['url']}api/targets").status_code == 200
            process.send_signal(signal.SIGINT)
            out, talk = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert out == ""
    assert talk.splitlines() == [
        f"pondera: the page is at {told['url']} and ends with Ctrl-C",
        "pondera: stopped",
    ]


def test_without_json_nothing_is_data():
    with started("llama-3.1-8b", "--port", 0) as process:
        assert "http://127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[0] == ""
    assert process.returncode == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_a_browser_is_shown_the_page_if_it_is_asked_for(tmp_path, monkeypatch, wanted):
    """A browser of a terminal holds whoever starts it until it has the page."""
    told = tmp_path / "told"
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\nimport sys, urllib.request\n"
        "urllib.request.urlopen(sys.argv[1] + 'api/targets', timeout=20).read()\n"
        f"open({str(told)!r}, 'w').write(sys.argv[1])\n"
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    with served("llama-3.1-8b", "--open" if wanted else "--no-open") as address:
        assert httpx.get(f"{address}/api/targets").status_code == 200
        end = time.monotonic() + PATIENCE
        while wanted and not (told.exists() and told.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        assert (told.read_text().strip() if told.exists() else None) == (f"{address}/" if wanted else None)


def test_it_ends_when_it_is_told_to():
    with started("llama-3.1-8b", "--port", 0, "--json") as process:
        process.stdout.readline()
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, -signal.SIGTERM)


def test_one_target_that_is_not_there_loses_no_other():
    with started("nowhere-to-be-found", "llama-3.1-8b", "--port", 0, "--json") as process:
        told = json.loads(process.stdout.readline())
        models = httpx.get(f"{told['url']}api/targets").json()["targets"]
        process.send_signal(signal.SIGINT)
        talk = process.communicate(timeout=PATIENCE)[1]
    assert [one["name"] for one in models] == ["llama-3.1-8b"]
    assert talk.startswith("pondera: error: nowhere-to-be-found: no such file or folder")


def test_a_port_that_is_taken_is_named(program):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = program("ui", "llama-3.1-8b", "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"pondera: error: port {port} of 127.0.0.1 is taken; name another with --port, or 0 for any that is free\n"
    )


@pytest.mark.parametrize("port", ["65536", "-1", "x", "80.0", "9" * 5000, "٣"])
def test_what_is_no_port_is_refused(run, port):
    code, out, talk = run("ui", "llama-3.1-8b", f"--port={port}")
    assert (code, out) == (2, "")
    assert "must be a whole number from 0 to 65535" in talk


@pytest.mark.parametrize(
    ("target", "words"), [("no-such-model", "no-such-model"), ("/nowhere/at/all", "/nowhere")]
)
def test_where_no_target_is_there_it_does_not_listen(run, target, words):
    code, out, talk = run("ui", target, "--port", 0)
    assert (code, out) == (2, "")
    assert words in talk
    assert len(talk.splitlines()) == 1


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_its_extra_it_says_what_to_install(run, monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith(("pondera.ui", "starlette", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    code, out, talk = run("ui", "llama-3.1-8b")
    assert (code, out) == (2, "")
    assert talk.count("\n") == 1
    assert f"{missing} is not there; pip install 'pondera[ui]'" in talk


def test_importing_the_program_loads_no_server():
    script = "import sys, pondera.cli; print([name for name in sys.modules if name.startswith(('uvicorn', 'starlette', 'webbrowser'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


NAME = "<script>alert(1)</script>‮evil‬ '\"&"


@pytest.fixture
def hostile(tmp_path):
    """A model whose folder, and a field of whose config, are named like a script."""
    folder = tmp_path / NAME.replace("/", "\u2215")
    config = {
        **pondera.Architecture.from_config("llama-3.1-8b").config,
        NAME: NAME,
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def unknown(tmp_path):
    """Weights whose config is of a type that nobody knows, in 10,000 letters."""
    folder = tmp_path / "unknown"
    writer.write(folder / "model.safetensors", TINY)
    (folder / "config.json").write_text(
        json.dumps({"model_type": f"{NAME}{'m' * 10_000}", "architectures": [NAME]})
    )
    return folder


@pytest.fixture
def client(serve_ui, hostile, unknown):
    with httpx.Client(base_url=serve_ui(hostile, unknown)) as client:
        yield client


def test_hostile_names_stay_data(client, hostile):
    first, second = client.get("/api/targets").json()["targets"]
    assert first["target"] == str(hostile)
    for one in (first, second):
        for name in ("name", "class", "unknown", "pattern"):
            assert one[name] is None or (one[name].isprintable() and len(one[name]) <= 2000)
    assert first["parameters"] == 8030261248
    assert (second["parameters"], second["fields"]) == (2640, [])
    assert second["unknown"]
    fit = client.get("/api/fit", params={"gpu": "l4", "context": 1024, "picture": "true"}).json()
    assert fit["fit"]["model"] == str(hostile)
    assert fit["fit"]["weights"] > 16_000_000_000
    for svg in (fit["picture"], client.get("/api/map").text):
        assert "<script" not in svg
        assert "‮" not in svg
    # What the mind does not tell, the weights still do: both give an answer or a sentence.
    for path in (
        "/api/fit?gpu=l4&target=1",
        "/api/map?target=1",
        "/api/heat?gpu=l4&target=1",
        "/api/show?target=1",
    ):
        answer = client.get(path)
        assert answer.status_code in (200, 422)
        assert answer.status_code == 200 or answer.json()["error"]["message"].isprintable()
    assert client.get("/api/fit?gpu=l4&target=1&set.num_hidden_layers=4").status_code == 422
    whatever = client.get("/api/fit", params={"gpu": "l4", f"set.{NAME}": NAME}).json()
    assert whatever["mind"]["changes"][0]["field"] == NAME
    assert client.get("/api/map?target=1").status_code == 200
