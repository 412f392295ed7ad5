"""What goes wrong between here and the Hub: it ends well or with one clear error, and nothing half-read is kept."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pondera
import writer
from pondera._hub import crew, lane, wire
from test_hub import facts, put, sharded

STORED = "/storage/*"
FILE = "*/resolve/*/model.safetensors"
CONFIG = "*/resolve/*/config.json"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Another try follows at once, where the server does not ask to wait."""
    monkeypatch.setattr(wire, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(wire, "LONGEST_WAIT", 0.02)


def log_in(monkeypatch, token: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)


def kept() -> list[int]:
    """Lengths of the contents that were kept of repos, each behind a checksum of 4 bytes; half-written ones too."""
    paths = [path for path in Path("cache").rglob("*") if path.is_file() and "/files/" in path.as_posix()]
    return [path.stat().st_size - 4 for path in paths]


def refused(target: str = "org/tiny", **options) -> str:
    """The one sentence that scanning it ends with."""
    with pytest.raises(pondera.HubError) as told:
        pondera.scan(target, **options)
    message = str(told.value)
    assert "\n" not in message
    assert "signature" not in message
    return message


@pytest.mark.parametrize("path", [STORED, FILE, CONFIG, "*/tree/*", "/api/models/org/tiny"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "status", "status": 503, "times": 1},
        {"kind": "status", "status": 429, "times": 1},
    ],
)
def test_a_server_that_recovers_is_asked_again(hub, path, fault):
    folder = put(hub, "org/tiny")
    hub.fault(path, **fault)
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))


@pytest.mark.parametrize("kind", ["reset", "short", "wrong-range", "no-content-range"])
def test_a_broken_answer_is_asked_for_again(hub, kind):
    folder = put(hub, "org/tiny")
    hub.fault(STORED, kind, times=2)
    assert facts(pondera.scan("org/tiny")) == facts(pondera.scan(folder))
    assert sum(entry["path"].startswith("/storage/") for entry in hub.log()) == 3


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("reset", "the connection to localhost breaks"),
        ("short", "localhost sends"),
        ("wrong-range", "localhost sends 'bytes 7-"),
        ("no-content-range", "localhost sends 'no Content-Range'"),
    ],
)
def test_an_answer_that_stays_broken_is_one_error(hub, kind, part):
    folder = put(hub, "org/tiny")
    hub.fault(STORED, kind, times=99)
    message = refused()
    assert message.startswith(f"org/tiny: model.safetensors: {part}")
    assert message.endswith("6 times over; try again later")
    assert set(kept()) <= {(folder / "config.json").stat().st_size}
    hub.set(faults=[])
    assert pondera.scan("org/tiny").parameters == 2640


def test_a_server_that_asks_to_wait_is_waited_for(hub, monkeypatch):
    put(hub, "org/tiny")
    hub.fault("*/tree/*", "status", status=429, headers={"retry-after": "1"})
    pauses: list[float] = []
    monkeypatch.setattr(wire.Wire, "_pause", lambda _, seconds: pauses.append(seconds))
    pondera.scan("org/tiny")
    assert 0.9 < max(pauses) <= 1


def test_a_server_that_asks_to_wait_for_an_hour_is_not(hub):
    put(hub, "org/tiny")
    hub.fault("*/tree/*", "status", status=429, headers={"retry-after": "3600"})
    assert "asks to wait 3,600 seconds" in refused()


def test_the_quota_of_the_hub_is_read(hub):
    put(hub, "org/tiny")
    hub.fault("*/tree/*", "status", status=429, headers={"ratelimit": '"api";r=0;t=4000'})
    assert "asks to wait 4,000 seconds" in refused()


def test_a_server_that_stays_broken_is_one_error(hub):
    put(hub, "org/tiny")
    hub.fault("*/tree/*", "status", times=99, status=500)
    assert refused() == "org/tiny: 127.0.0.1 answers 500, 6 times over; try again later"


def test_a_server_that_knows_no_ranges_is_let_go_behind_the_header(hub):
    folder = hub.repo("org/large")
    tensors = {f"model.layers.{layer}.mlp.up_proj.weight": ("BF16", [4096, 4096]) for layer in range(64)}
    writer.write(folder / "model.safetensors", tensors)
    hub.fault(STORED, "ignore-range", times=99)
    hub.clear()
    assert facts(pondera.scan("org/large")) == facts(pondera.scan(folder))
    time.sleep(0.2)
    # A little more is on its way when the connection is closed.
    assert sum(entry["sent"] for entry in hub.log()) < 64 << 20


def test_a_long_header_from_a_server_that_knows_no_ranges(hub):
    folder = hub.repo("org/long")
    tensors = {f"model.layers.{number}.{'x' * 180}.weight": ("F32", [1]) for number in range(4000)}
    writer.write(folder / "model.safetensors", tensors)
    hub.fault(STORED, "ignore-range", times=99)
    assert facts(pondera.scan("org/long")) == facts(pondera.scan(folder))


def test_redirects_without_an_end(hub):
    put(hub, "org/tiny")
    hub.fault("*/resolve/*", "loop", times=999)
    assert "redirects more than 8 times" in refused()


def test_a_redirect_to_what_is_no_web_address(hub):
    put(hub, "org/tiny")
    hub.fault(FILE, "redirect", location="file:///etc/passwd", times=99)
    assert (
        refused() == "org/tiny: model.safetensors: 127.0.0.1 leads to what is no web address; try again later"
    )


def test_a_redirect_within_the_hub_is_followed_with_the_token(hub, monkeypatch):
    put(hub, "org/tiny")
    hub.repo("org/old")
    hub.set(repos={"org/tiny": {"private": True, "token": "hf_right"}})
    log_in(monkeypatch, "hf_right")
    hub.fault("/api/models/org/old", "redirect", location="/api/models/org/tiny")
    assert "org/old" in refused("org/old")
    moved = [entry for entry in hub.log() if entry["path"] == "/api/models/org/tiny"]
    assert [entry["token"] for entry in moved] == ["Bearer hf_right"]


def test_no_such_repo(hub, monkeypatch):
    put(hub, "org/tiny")
    expected = (
        f"org/none: no such repo at {hub.endpoint}, or a private one that your token does not open; "
        "see that the name is right, or the path if that is what was meant, or log in with `hf auth login`"
    )
    assert refused("org/none") == expected
    log_in(monkeypatch, "hf_right")
    assert refused("org/none") == expected


def test_no_such_revision(hub, monkeypatch):
    put(hub, "org/tiny")
    assert "org/tiny: no revision 'v9'" in refused("org/tiny@v9")
    assert "org/tiny: no revision 'refs/pr/9'" in refused("org/tiny@refs/pr/9")


def test_a_private_repo_opens_with_its_token_alone(hub, monkeypatch):
    put(hub, "org/tiny")
    hub.set(repos={"org/tiny": {"private": True, "token": "hf_right"}})
    assert "no such repo" in refused()
    assert "no such repo" in refused(token="hf_wrong")
    assert pondera.scan("org/tiny", token="hf_right").parameters == 2640
    log_in(monkeypatch, "hf_right")
    assert pondera.scan("org/tiny").parameters == 2640
    assert "no such repo" in refused(token=False)


def test_a_token_that_was_saved_is_found(hub, tmp_path):
    put(hub, "org/tiny")
    hub.set(repos={"org/tiny": {"private": True, "token": "hf_saved"}})
    (tmp_path / "hf").mkdir(exist_ok=True)
    (tmp_path / "hf" / "token").write_text("hf_saved\n")
    assert pondera.scan("org/tiny").parameters == 2640


def test_a_gated_repo_says_what_to_do(hub):
    put(hub, "org/tiny")
    hub.set(repos={"org/tiny": {"gated": True, "token": "hf_right"}})
    for token in (None, "hf_other"):
        message = refused(token=token)
        assert message.startswith("org/tiny: gated: ")
        assert f"open {hub.endpoint}/org/tiny" in message
    assert kept() == []
    assert pondera.scan("org/tiny", token="hf_right").parameters == 2640


def test_a_refusal_ends_the_scan_before_everything_was_asked_for(hub):
    sharded(hub.repo("org/sharded"), shards=300)
    hub.set(repos={"org/sharded": {"gated": True, "token": "hf_right"}}, latency=0.005)
    hub.clear()
    assert refused("org/sharded").startswith("org/sharded: gated: ")
    asked = -1
    while asked != (asked := len(hub.log())):
        # The last of them may not come when another test counts.
        time.sleep(0.2)
    # Those that were under way when the first was refused, the commit and the list.
    assert len(hub.asked()) <= 2 * crew.HANDS + 2 < 300


def test_a_client_that_the_user_has_set_makes_the_requests(hub):
    import huggingface_hub
    from huggingface_hub.utils import get_session, set_client_factory

    put(hub, "org/tiny")
    kind = type(get_session())
    seen: list[str] = []

    def factory():
        return kind(event_hooks={"request": [lambda request: seen.append(str(request.url))]})

    try:
        set_client_factory(factory)
        assert pondera.scan("org/tiny").parameters == 2640
    finally:
        set_client_factory(huggingface_hub.utils._http.default_client_factory)
    asked = [url for url in seen if not url.endswith("/agent-harnesses")]
    assert len(asked) == len(hub.log()) == 5


def test_a_proxy_is_asked_for_ranges_too(hub, monkeypatch):
    from huggingface_hub import close_session

    put(hub, "org/tiny")
    pondera.scan("org/tiny")
    commit = next(Path("cache").glob("hub/*/org--tiny/commits/*.json")).stem
    shutil.rmtree(next(Path("cache").glob("hub/*/org--tiny/files")))
    hub.clear()
    # Nobody is there; the commit and the list of files are known, so that only ranges are asked for.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    close_session()
    try:
        assert "cannot be reached" in refused(f"org/tiny@{commit}")
    finally:
        close_session()
    assert hub.log() == []


def test_a_connection_that_the_server_has_closed_is_opened_anew(hub):
    folder = sharded(hub.repo("org/sharded"), shards=4)
    hub.clear()
    before = pondera.scan("org/sharded")
    kept = [connection for idle in lane._lane._idle.values() for _, connection in idle]
    assert kept
    for connection in kept:
        connection.sock.shutdown(2)
    shutil.rmtree("cache")
    assert pondera.scan("org/sharded") == before
    assert facts(before) == facts(pondera.scan(folder))


def test_connections_stay_open(hub):
    sharded(hub.repo("org/sharded"), shards=300)
    hub.clear()
    pondera.scan("org/sharded")
    ranges = [entry for entry in hub.log() if entry["range"]]
    assert len(ranges) > 600
    # As many to each host as are asked at one time, and not one for each of the 300 files.
    assert len({tuple(entry["client"]) for entry in ranges}) <= 2 * crew.HANDS


def test_a_token_that_is_asked_for_and_not_there(hub):
    put(hub, "org/tiny")
    assert "there is none; log in" in refused(token=True)


def test_the_token_is_never_sent_to_the_storage(hub, monkeypatch):
    sharded(hub.repo("org/sharded"))
    log_in(monkeypatch, "hf_secret")
    hub.clear()
    pondera.scan("org/sharded")
    log = hub.log()
    stored = [entry for entry in log if entry["host"].startswith("localhost")]
    assert len(stored) == 3
    assert all(entry["token"] is None and entry["cookie"] is None for entry in stored)
    assert all("secret" not in str(entry) for entry in stored)
    assert all(entry["token"] == "Bearer hf_secret" for entry in log if entry not in stored)


def test_the_token_does_not_come_back_through_a_third_host(hub, monkeypatch):
    put(hub, "org/tiny")
    log_in(monkeypatch, "hf_secret")
    # The storage sends the request back to the Hub, which must not be trusted with more than the storage was.
    hub.fault(STORED, "redirect", location=f"{hub.endpoint}/org/tiny/resolve/main/config.json", times=1)
    hub.clear()
    with pytest.raises(pondera.HubError):
        pondera.scan("org/tiny")
    back = [entry for entry in hub.log() if entry["path"].endswith("/resolve/main/config.json")]
    assert [entry["token"] for entry in back] == [None]


def test_a_list_of_files_that_lies(hub):
    folder = put(hub, "org/tiny")
    length = (folder / "model.safetensors").stat().st_size
    entry = {"type": "file", "oid": "0" * 40, "path": "model.safetensors"}

    def told(*entries: object) -> str:
        hub.fault("*/tree/*", "status", status=200, body=json.dumps(entries))
        return refused()

    for wrong in ({"size": -1}, {"size": "5"}, {"size": True}, {"size": 2**64}, {}):
        assert "has an entry that is none" in told({**entry, **wrong})
    assert "has an entry that is none" in told("text")
    assert "bytes of it where" in told({**entry, "size": length + 1})
    # What was listed wrongly is not kept, so that the next try may give the truth.
    assert pondera.scan("org/tiny").parameters == 2640


def test_a_list_of_files_that_leaves_the_repo(hub):
    put(hub, "org/tiny")
    entry = {"type": "file", "oid": "0" * 40, "path": "../model.safetensors", "size": 9}
    hub.fault("*/tree/*", "status", status=200, body=json.dumps([entry]))
    assert "no path below its root" in refused()


@pytest.mark.parametrize("body", ["", "{", "[1", "<html>", "null", "7", "[" * 100_000])
def test_an_answer_that_is_no_hubs(hub, body):
    put(hub, "org/tiny")
    hub.fault("/api/models/org/tiny*", "status", status=200, body=body)
    message = refused()
    assert "see HF_ENDPOINT" in message or "see that it is a Hub" in message


def test_a_small_file_that_is_not_what_was_listed_is_not_kept(hub):
    folder = put(hub, "org/tiny")
    hub.fault(CONFIG, "change", times=1)
    assert "org/tiny: config.json: not what was listed" in refused()
    assert (folder / "config.json").stat().st_size not in kept()
    hub.set(faults=[])
    assert pondera.scan("org/tiny").parameters == 2640


def test_a_file_that_changed_since_it_was_listed(hub):
    folder = put(hub, "org/tiny")
    pondera.scan("org/tiny")
    shutil.rmtree(next(Path("cache").glob("hub/*/org--tiny/files")))
    # The commit stays what it was, as the server was not told; the file does not.
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(9)
        file.write(b" ")
    assert "changed since the files were listed" in refused()


def test_a_server_that_does_not_answer_in_time(hub, monkeypatch):
    from huggingface_hub import constants

    put(hub, "org/tiny")
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.fault("*/tree/*", "hang", seconds=1.0, times=99)
    assert refused() == "org/tiny: 127.0.0.1 does not answer in time, 6 times over; try again later"


def test_no_server_at_all(hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "127.0.0.1 cannot be reached" in refused()


def test_a_run_that_is_killed_leaves_a_sound_cache(hub, tmp_path):
    folder = sharded(hub.repo("org/sharded"), shards=40)
    hub.set(latency=0.05)
    hub.clear()
    script = "import pondera; print('on', flush=True); pondera.scan('org/sharded')"
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            wait_for(lambda: any("/resolve/" in path for path in hub.asked()))
            time.sleep(0.02)
            process.kill()
    hub.set(latency=0.0)
    assert facts(pondera.scan("org/sharded")) == facts(pondera.scan(folder))
    assert facts(pondera.scan("org/sharded", offline=True)) == facts(pondera.scan(folder))


def test_ctrl_c_ends_a_scan_that_waits_for_the_hub(hub):
    put(hub, "org/tiny")
    hub.fault(FILE, "hang", seconds=30.0, times=99)
    script = "import pondera, sys; from pondera.cli import main; sys.exit(main(['scan', 'org/tiny']))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: any(path.endswith("model.safetensors") for path in hub.asked()))
        process.send_signal(signal.SIGINT)
        try:
            _, talk = process.communicate(timeout=8)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 130
    assert talk == "pondera: interrupted\n"


def wait_for(condition, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
