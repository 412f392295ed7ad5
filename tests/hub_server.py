"""The Hub of `hub_app` in a process of its own on this machine, for tests and benchmarks."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class HubServer:
    """A server on a free port: the Hub as 127.0.0.1, its storage by the name localhost.

    Use as a context manager.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        self.storage = f"http://localhost:{port}"
        environment = {
            **os.environ,
            "HUB_ROOT": str(root),
            "HUB_STORAGE": self.storage,
            "PYTHONPATH": str(HERE),
        }
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "hub_app:app",
            "--port",
            str(port),
            "--log-level",
            "critical",
        ]
        self._process = subprocess.Popen([*command, "--no-access-log"], env=environment)
        for _ in range(500):
            try:
                self.log()
                return
            except OSError:
                assert self._process.poll() is None, "the server ended"
                time.sleep(0.02)
        raise TimeoutError("the server does not answer")

    def environment(self, home: Path) -> dict[str, str]:
        """What sets `huggingface_hub` and pondera on this server, with their caches in a folder."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_CACHE": str(home / "hf" / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "PONDERA_CACHE": str(home / "cache"),
        }

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.endpoint}{path}", data=data, timeout=10) as response:
            return json.loads(response.read())

    def set(self, **settings: Any) -> None:
        """Set `latency` (seconds), `page`, `repos` (gated, private, token), `faults`, `storage`."""
        self._ask("/_control", settings)

    def fault(self, path: str, kind: str, times: int = 1, **more: Any) -> None:
        """From now on a request whose path fits the pattern meets this, so many times."""
        self.set(faults=[{"path": path, "kind": kind, "times": times, **more}])

    def repo(self, name: str, revision: str = "main") -> Path:
        """The folder of a repo at a revision; write its files there, and then `set` something."""
        folder = self.root / name / revision
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def asked(self) -> list[str]:
        """What was asked of the Hub, not of its storage: paths, in order."""
        return [entry["path"] for entry in self.log() if not entry["path"].startswith("/storage/")]

    def log(self) -> list[dict[str, Any]]:
        """Every request since the last `clear`, with what was sent."""
        return self._ask("/_log")

    def clear(self) -> None:
        """Forget the requests."""
        self._ask("/_clear", {})

    def reset(self) -> None:
        """Forget everything that was set."""
        self._ask("/_reset", {})

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> "HubServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
