"""Fixtures that several test files share: small model folders, a slow one, and the program in a process."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import writer
from browser import chromium, open_page
from hub_server import HubServer
from pondera.cli import main
from ui_page import open_ui, ui_address
from ui_server import serve_ui

# Nobody listens there: no test asks the real Hub, whatever it names.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"

__all__ = ["chromium", "open_page", "open_ui", "serve_ui", "ui_address"]

# A decoder of one layer. By hand:
#   embedding  100 x 8 BF16          800 parameters  1,600 bytes
#   attention  4 of 8 x 8 BF16       256               512
#   mlp        3 of 32 x 8 BF16      768             1,536
#   norm       2 of 8 F32             16                64
#   head       100 x 8 BF16          800             1,600
#   total      11 tensors          2,640             5,312
TINY: writer.Tensors = {
    "model.embed_tokens.weight": ("BF16", [100, 8]),
    **{f"model.layers.0.self_attn.{name}_proj.weight": ("BF16", [8, 8]) for name in "qkvo"},
    "model.layers.0.mlp.gate_proj.weight": ("BF16", [32, 8]),
    "model.layers.0.mlp.up_proj.weight": ("BF16", [32, 8]),
    "model.layers.0.mlp.down_proj.weight": ("BF16", [8, 32]),
    "model.layers.0.input_layernorm.weight": ("F32", [8]),
    "model.norm.weight": ("F32", [8]),
    "lm_head.weight": ("BF16", [100, 8]),
}


@pytest.fixture
def write() -> Callable[[Path, writer.Tensors], Path]:
    """Writes a sparse safetensors file of name -> (dtype, shape), and gives its path back."""

    def write(path: Path, tensors: writer.Tensors) -> Path:
        writer.write(path, tensors)
        return path

    return write


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with one model of 11 tensors; its sums are beside `TINY`."""
    writer.write(tmp_path / "tiny" / "model.safetensors", TINY, {"format": "pt"})
    return tmp_path / "tiny"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with 8 parameters in 32 bytes, whose index names a second shard that is not there."""
    folder = tmp_path / "broken"
    norm: writer.Tensors = {"model.norm.weight": ("F32", [8])}
    head: writer.Tensors = {"lm_head.weight": ("F32", [8, 4])}
    writer.write(folder / "model-00001-of-00002.safetensors", norm)
    files = {"model-00001-of-00002.safetensors": norm, "model-00002-of-00002.safetensors": head}
    writer.write_index(folder / "model.safetensors.index.json", files)
    return folder


@pytest.fixture(scope="session")
def slow_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 models that are links to one file with a header of 4 MB: a second or more to scan."""
    root = tmp_path_factory.mktemp("slow")
    names = (f"model.layers.{layer}.mlp.experts.{expert}.w" for layer in range(200) for expert in range(200))
    first = root / "0" / "model.safetensors"
    writer.write(first, {name: ("U8", [1]) for name in names})
    for number in range(1, 300):
        (root / str(number)).mkdir()
        os.link(first, root / str(number) / "model.safetensors")
    return root


@pytest.fixture
def program() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `pondera` with arguments in a process of its own, its output piped."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pondera", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)

    return run


@pytest.fixture
def two_models() -> Callable[[Path], Path]:
    """Writes models `a` of 3 and `b/deep` of 5 parameters, F32, into a folder, and gives the folder back."""

    def write(folder: Path) -> Path:
        writer.write(folder / "a" / "model.safetensors", {"model.norm.weight": ("F32", [3])})
        writer.write(folder / "b" / "deep" / "model.safetensors", {"model.norm.weight": ("F32", [5])})
        return folder

    return write


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `pondera` with arguments in this process: exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def interrupted() -> Callable[[str, int], tuple[int, str]]:
    """Runs a script, sends it what Ctrl-C does after its first line, and gives its exit code and what it says.

    One that has not ended after so many seconds is killed.
    """

    def interrupted(script: str, seconds: int) -> tuple[int, str]:
        command = [sys.executable, "-c", script]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            watch = threading.Timer(seconds, process.kill)
            watch.start()
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, talk = process.communicate()
            watch.cancel()
        return process.returncode, talk

    return interrupted


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The Hub of `hub_app` in a process of its own."""
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture
def hub(hub_server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """That Hub as `huggingface_hub` knows it here, with no repos, no token and empty caches."""
    for folder in hub_server.root.iterdir():
        shutil.rmtree(folder)
    hub_server.reset()
    for name, value in hub_server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    from huggingface_hub import constants

    # It reads its environment when it is imported, which another test may have done.
    monkeypatch.setattr(constants, "ENDPOINT", hub_server.endpoint)
    places = "{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub_server.endpoint}/{places}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    return hub_server
