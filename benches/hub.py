"""Reading a repo of the Hub against what else reads one, as ratios measured in one run.

    python benches/hub.py [--rounds N] [--latency MS] [--markdown FILE]

Needs a release build of pondera (`make build`) and `pip install --group bench --group test`. The server of the tests
serves a repo of DeepSeek-V3's shape on loopback, each answer late by so many milliseconds, weight files by a redirect
to a second host as on the Hub. The measurements take turns round by round. Nothing is cached between runs but the
client of `huggingface_hub` with its connections, which it and pondera share; hf-mem makes a client each time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import models
from scan import ROOT, Report, machine, put_table, timed, turns

sys.path.insert(0, str(ROOT / "tests"))
from hub_server import HubServer

REPO = "deepseek-ai/DeepSeek-V3"
SHARDS = 160


class Bench:
    """The server, and everybody who reads from it."""

    def __init__(self, server: HubServer, home: Path) -> None:
        self.server = server
        self.home = home
        self.runs = 0

    def fresh(self) -> None:
        """New, empty caches for everybody."""
        from huggingface_hub import constants

        self.runs += 1
        os.environ["PONDERA_CACHE"] = str(self.home / f"pondera-{self.runs}")
        constants.HF_HUB_CACHE = str(self.home / f"hub-{self.runs}")

    def pondera(self) -> object:

        self.fresh()
        return self.again()

    def again(self, offline: bool = False) -> object:
        import pondera

        checkpoint = pondera.scan(REPO, offline=offline)
        assert checkpoint.shards == SHARDS
        assert not checkpoint.problems
        return checkpoint

    def hub(self) -> object:
        """huggingface_hub's own reading of every header."""
        from huggingface_hub import get_safetensors_metadata

        self.fresh()
        metadata = get_safetensors_metadata(REPO)
        assert len(metadata.files_metadata) == SHARDS
        return metadata

    def hf_mem(self) -> object:
        """hf-mem, whose address is fixed: its requests are sent to the server here."""
        import hf_mem
        import httpx2

        endpoint = httpx2.URL(self.server.endpoint)
        true = httpx2.AsyncClient

        class Redirected(httpx2.AsyncHTTPTransport):
            async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
                if request.url.host == "huggingface.co":
                    request.url = request.url.copy_with(
                        scheme=endpoint.scheme, host=endpoint.host, port=endpoint.port
                    )
                    request.headers["host"] = endpoint.netloc.decode()
                return await super().handle_async_request(request)

        def client(limits: httpx2.Limits, http2: bool, **options: object) -> httpx2.AsyncClient:
            return true(transport=Redirected(limits=limits, http2=http2), **options)

        httpx2.AsyncClient = client
        try:
            result = hf_mem.run(REPO)
        finally:
            httpx2.AsyncClient = true
        assert result.memory > 600 * 10**9
        return result


def requests(server: HubServer, read: object) -> tuple[int, int, int]:
    """How many requests the Hub and its storage get, and bytes of weight files that are sent."""
    server.clear()
    read()
    log = server.log()
    stored = [entry for entry in log if entry["path"].startswith("/storage/")]
    return len(log) - len(stored), len(stored), sum(entry["sent"] for entry in stored)


def measure(report: Report, bench: Bench, rounds: int) -> None:
    times = turns(rounds, {"pondera": bench.pondera, "hub": bench.hub, "hf-mem": bench.hf_mem}, runs=2)
    ours = times["pondera"]
    report.ratio("faster than huggingface_hub.get_safetensors_metadata", "5x", times["hub"], ours)
    report.ratio("faster than hf-mem", "3x", times["hf-mem"], ours)
    for name, read in {
        "pondera": bench.pondera,
        "huggingface_hub": bench.hub,
        "hf-mem": bench.hf_mem,
    }.items():
        asked, stored, sent = requests(bench.server, read)
        target = f"at most {SHARDS + 4}" if name == "pondera" else ""
        detail = f"and {stored} to the storage, which sends {sent / 1e6:.1f} MB"
        report.value(f"requests to the Hub: {name}", str(asked), target, detail)
    bench.pondera()
    again = [timed(bench.again) for _ in range(5)]
    asked, stored, _ = requests(bench.server, bench.again)
    report.value("the second time", f"{min(again):.1f} ms", "", f"{asked + stored} request")
    offline = [timed(lambda: bench.again(offline=True)) for _ in range(5)]
    report.value("the second time, offline", f"{min(offline):.1f} ms", "", "no request")


MANY = """
import pondera, time
def peak(): return int([l for l in open("/proc/self/status") if l.startswith("VmHWM")][0].split()[1]) // 1024
names = (f"many/model-{number}" for number in range(%d))
begin, early = time.perf_counter(), 0
for done, one in enumerate(pondera.scan_many(names, concurrency=16), 1):
    assert one.error is None, one.error
    early = peak() if done == 1000 else early
print(early, peak(), done / (time.perf_counter() - begin))
"""


def many(report: Report, server: HubServer, home: Path, repos: int) -> None:
    """Memory and rate over many small repos, without latency."""
    tensors = list(models.llama_8b())
    first = server.repo("many/model-0")
    models.write(first, tensors, 1)
    for number in range(1, repos):
        folder = server.repo(f"many/model-{number}")
        for file in first.iterdir():
            os.link(file, folder / file.name)
    server.set(latency=0.0)
    environment = os.environ | server.environment(home / "many")
    command = [sys.executable, "-c", MANY % repos]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    early, late, rate = map(float, done.stdout.split())
    what = f"peak memory of a process with `scan_many` over {repos:,} repos"
    report.value(what, f"{late:.0f} MB", "flat", f"{early:.0f} MB after 1,000; {rate:.0f} repos/s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--latency", type=float, default=20.0)
    arguments.add_argument("--repos", type=int, default=10_000)
    arguments.add_argument("--markdown", type=Path)
    chosen = arguments.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        folder = home / "root" / REPO / "main"
        models.write(folder, list(models.deepseek_v3()), SHARDS)
        (folder / "config.json").write_text('{"model_type": "deepseek_v3"}')
        with HubServer(home / "root") as server:
            os.environ |= server.environment(home)
            server.set(latency=chosen.latency / 1000)
            measure(report, Bench(server, home), chosen.rounds)
            many(report, server, home, chosen.repos)
    text = f"{machine()}, {chosen.latency:g} ms of latency, {chosen.rounds} rounds\n\n{report.markdown()}\n"
    print(text)
    if chosen.markdown:
        put_table(chosen.markdown, "hub", text)


if __name__ == "__main__":
    main()
