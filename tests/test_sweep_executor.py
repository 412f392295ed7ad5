"""`Sweep.run`: the answers of executors are those of the sweep, whatever fails on the way."""

import os
import signal
import time
import uuid
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from logging import CRITICAL
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import pondera
from pondera import _executor

distributed = pytest.importorskip("distributed")

QUESTIONS = {
    "count": lambda one: one.count(),
    "count by an axis": lambda one: one.count(by="gpu"),
    "tally": lambda one: one.tally(),
    "tally by an axis": lambda one: one.tally(by="concurrency"),
    "top": lambda one: one.top(7),
    "top, the least": lambda one: one.top(
        5, by="total_bytes", largest=False, columns=["point", "total_bytes"]
    ),
    "best_per": lambda one: one.best_per("weights", by="max_concurrency", k=3),
    "pareto": lambda one: one.pareto(minimise=["gpus_in_all", "total_bytes"], maximise=["context"]),
    "frontier": lambda one: one.frontier("context"),
    "frontier of names": lambda one: one.frontier("gpu", columns=["point", "gpu", "fits"]),
}


def sweep(**asked):
    return pondera.sweep(
        ["llama-3.1-8b", "qwen3-30b-a3b"],
        **{
            "gpu": ["h100", "L4"],
            "engine": "vllm==0.19.0",
            "weights": ["bf16", "fp8", None],
            "tensor_parallel": [1, 2],
            "pipeline_parallel": [2, 1],
            "context": "4k..64k",
            "concurrency": "1..16+5",
            "mind": {"num_key_value_heads": [4, 8]},
            "zip": ["tensor_parallel", "pipeline_parallel"],
            **asked,
        },
    )


@pytest.fixture(scope="module")
def few():
    one = sweep()
    assert 0 < one.count() < one.points == 960
    return one


@pytest.fixture(scope="module")
def some(few):
    """The same with a condition, which leaves several hundred points."""
    one = few.where("headroom_bytes < 40GiB and context * concurrency != 4096")
    assert 200 < len(one.table()) < one.points
    return one


@pytest.fixture(scope="module")
def answers(few, some):
    """What each of the two says by itself."""
    return [(one, {name: ask(one) for name, ask in QUESTIONS.items()}) for one in (few, some)]


def rows(tables):
    """Several tables as one dict of columns."""
    all_of_them = [table.to_dict() for table in tables]
    return {name: np.concatenate([table[name] for table in all_of_them]) for name in all_of_them[0]}


def same_rows(tables, table):
    found = rows(tables)
    assert tuple(found) == table.columns
    for name, column in table.to_dict().items():
        np.testing.assert_array_equal(found[name], column, name)


class Inline(Executor):
    """Works pieces out as they are given; `fails` says what goes wrong with the one of a number."""

    def __init__(self, fails=lambda number: None):
        self.fails = fails
        self.given = 0

    def submit(self, function, *args):
        future = Future()
        error = self.fails(self.given)
        self.given += 1
        try:
            future.set_exception(error) if error else future.set_result(function(*args))
        except Exception as own:
            future.set_exception(own)
        return future


class Refusing(Inline):
    """Fails where pieces are given to it."""

    def submit(self, function, *args):
        error = self.fails(self.given)
        if error:
            self.given += 1
            raise error
        return super().submit(function, *args)


class Never(Executor):
    """Takes pieces, and gives nothing back."""

    def __init__(self):
        self.futures = []

    def submit(self, function, *args):
        self.futures.append(Future())
        return self.futures[-1]


@pytest.mark.parametrize("pieces", [None, 1, 2, 7, 1000])
def test_threads_give_the_same_in_any_number_of_pieces(answers, pieces):
    with ThreadPoolExecutor(3) as executor:
        for one, expected in answers:
            run = one.run(executor=executor, pieces=pieces, threads=2)
            for name, ask in QUESTIONS.items():
                assert ask(run) == expected[name], name


@pytest.mark.parametrize("rows_each", [1, 100, 959, 960, 1 << 20])
def test_tables_come_in_order(few, some, rows_each):
    with ThreadPoolExecutor(3) as executor:
        for one in (few, some):
            tables = list(one.run(executor).tables(rows_each))
            assert len(tables) == -(-one.points // rows_each)
            same_rows(tables, one.table())
        named = some.run(executor).tables(500, columns=["gpu", "fits"])
        same_rows(named, some.table(columns=["gpu", "fits"]))


def test_processes_give_the_same(answers):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        for one, expected in answers:
            run = one.run(executor)
            for name, ask in QUESTIONS.items():
                assert ask(run) == expected[name], name
            same_rows(run.tables(300), one.table())


@pytest.mark.parametrize("kind", [Inline, Refusing])
@pytest.mark.parametrize("first", [1, 2, 40])
def test_what_fails_is_given_out_anew(answers, kind, first):
    for one, expected in answers:
        for name, ask in QUESTIONS.items():
            executor = kind(lambda number: OSError("the line is cut") if number < first else None)
            # Each of 40 pieces may be the one that fails each time.
            assert ask(one.run(executor, pieces=40, retries=first)) == expected[name], name
            assert executor.given > first
    executor = kind(lambda number: MemoryError() if number % 2 else None)
    same_rows(one.run(executor, retries=10).tables(100), one.table())


@pytest.mark.parametrize("kind", [Inline, Refusing])
@pytest.mark.parametrize("retries", [0, 3])
def test_what_always_fails_is_said(few, kind, retries):
    executor = kind(lambda number: OSError("the line is cut"))
    wanted = f"a piece of the sweep failed {retries + 1} times, at last with OSError: the line is cut"
    with pytest.raises(pondera.PonderaError, match=wanted) as raised:
        few.run(executor, pieces=1, retries=retries).count()
    assert isinstance(raised.value.__cause__, OSError)
    assert executor.given == retries + 1
    with pytest.raises(pondera.PonderaError, match=wanted):
        list(few.run(executor, retries=retries).tables(10))


def test_an_executor_that_was_shut_down_is_said(few):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(pondera.PonderaError, match="RuntimeError: cannot schedule new futures"):
        few.run(executor).count()


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda run: run.top(3, by="nonsense"), "'nonsense'|\"nonsense\""),
        (lambda run: run.pareto(), "name a column"),
        (lambda run: run.pareto(minimise=["odd"]), "odd"),
        (lambda run: list(run.tables(1 << 20, columns=["odd"])), "odd"),
    ],
)
def test_what_was_asked_amiss_is_raised_at_once(few, ask, what):
    executor = Inline()
    with pytest.raises(pondera.PonderaError, match=what):
        ask(few.run(executor, pieces=1))
    assert executor.given == 1


@pytest.mark.parametrize("ask", [lambda run: run.count("odd"), lambda run: run.frontier("odd")])
def test_an_axis_that_is_not_known_is_raised_before_anything_is_sent(few, ask):
    executor = Inline()
    with pytest.raises(pondera.PonderaError, match="odd"):
        ask(few.run(executor))
    assert executor.given == 0


@pytest.mark.parametrize("kind", [Inline, Refusing])
@pytest.mark.parametrize("first", [0, 3])
def test_a_broken_executor_leaves_the_rest_to_this_process(answers, kind, first):
    for one, expected in answers:
        for name, ask in QUESTIONS.items():
            executor = kind(lambda number: BrokenProcessPool("all are gone") if number >= first else None)
            with pytest.warns(RuntimeWarning, match=r"broken \(all are gone\); what is left") as warned:
                assert ask(one.run(executor, pieces=30, workers=1)) == expected[name], name
            assert len(warned) == 1
            assert executor.given < 30


def test_a_process_that_is_killed_breaks_the_pool_and_not_the_answer(few):
    expected = few.tally(by="context")
    killed = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:

        def kill(done, pieces):
            if done and not killed:
                killed.append((done, pieces))
                (process,) = executor._processes
                os.kill(process, signal.SIGKILL)

        with pytest.warns(RuntimeWarning, match="what is left is worked out in this process"):
            assert few.run(executor, pieces=200).tally(by="context", progress=kill) == expected
    ((done, pieces),) = killed
    assert 0 < done < pieces == 192


@pytest.mark.parametrize("name", QUESTIONS)
def test_progress_goes_up_to_the_end(few, name):
    seen = []
    with ThreadPoolExecutor(2) as executor:
        run = few.run(executor, pieces=13)
        {
            "top": lambda: run.top(progress=lambda *at: seen.append(at)),
            "pareto": lambda: run.pareto(maximise=["context"], progress=lambda *at: seen.append(at)),
            "frontier": lambda: run.frontier("context", progress=lambda *at: seen.append(at)),
        }.get(name, lambda: run.count(progress=lambda *at: seen.append(at)))()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    pieces = seen[-1][1]
    assert seen[-1] == (pieces, pieces)
    assert {number for _, number in seen} == {pieces}
    assert 10 <= pieces <= 13


def test_few_pieces_are_under_way(few):
    executor = Never()

    def stop(done, pieces):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append((done, pieces))

    seen = []
    with pytest.raises(KeyboardInterrupt):
        few.run(executor, pieces=500, workers=2).count(progress=stop)
    assert seen == [(0, 480)] * 3
    assert len(executor.futures) == 8
    assert all(future.cancelled() for future in executor.futures)


def test_few_tables_are_worked_out_ahead(few):
    class FirstIsLate(Inline):
        """The first piece comes when it is asked for."""

        def submit(self, function, *args):
            future = super().submit(function, *args)
            if self.given > 1:
                return future
            self.first, self.result = Future(), future.result()
            return self.first

    executor, at = FirstIsLate(), []

    def come(done, pieces):
        at.append(executor.given)
        if len(at) == 6:
            executor.first.set_result(executor.result)

    same_rows(few.run(executor, workers=1).tables(10, progress=come), few.table())
    # One is late, and the others that may be under way are done and held back.
    assert max(at[:6]) <= 8
    assert executor.given == 96


def test_tables_that_nobody_wants_are_not_worked_out(few):
    executor = Inline()
    tables = few.run(executor, workers=1).tables(1)
    assert executor.given == 0
    assert len(next(tables)) == 1
    tables.close()
    assert executor.given <= 4


def test_interrupting_a_run_ends_it(interrupted):
    script = """
from concurrent.futures import ThreadPoolExecutor
import pondera
one = pondera.sweep("llama-3.1-8b", gpu="h100", context="1..100000+1", concurrency="1..100000+1", gpus=[1] * 1000)
assert one.points == 10**13
with ThreadPoolExecutor(2) as executor:
    one.run(executor, pieces=10_000_000).count(progress=lambda done, pieces: print(done, flush=True))
"""
    code, talk = interrupted(script, 120)
    assert talk.rstrip().endswith("KeyboardInterrupt")
    assert code in (-signal.SIGINT, 130)


@pytest.mark.parametrize(
    ("options", "error", "what"),
    [
        ({"pieces": 0}, ValueError, "pieces must be at least 1, not 0"),
        ({"retries": -1}, ValueError, "retries must be at least 0, not -1"),
        ({"threads": 0}, ValueError, "threads must be at least 1, not 0"),
        ({"workers": 0}, ValueError, "workers must be at least 1, not 0"),
        ({"odd": 1}, TypeError, "odd"),
    ],
)
def test_options_that_cannot_be_are_refused(few, options, error, what):
    with pytest.raises(error, match=what):
        few.run(Inline(), **options)


def test_what_is_no_executor_is_refused(few):
    with pytest.raises(TypeError, match=r"a concurrent\.futures\.Executor, not str"):
        few.run("dask")
    with pytest.raises(ValueError, match="rows must be at least 1"):
        few.run(Inline()).tables(0)


def test_a_worker_of_another_version_is_refused(few):
    class Other(Inline):
        def submit(self, function, version, *args):
            return super().submit(function, "0.0.0", *args)

    with pytest.raises(pondera.PonderaError, match=r"sweep was made with 0\.0\.0; install the same on both"):
        few.run(Other()).count()


def test_answers_of_other_questions_are_not_merged(few):
    asked = []
    few.count(gather=lambda question, places: asked.append(question) or few._part(question, 0, places))
    few.top(gather=lambda question, places: asked.append(question) or few._part(question, 0, places))
    count, top = asked
    with pytest.raises(pondera.PonderaError, match="not of this question"):
        few._merged(count, few._part(count, 0, 5), few._part(top, 0, 5))


# A real cluster of worker processes.


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    """A function that gives the client of a cluster of three workers: the last one, if those that it lost came back."""
    known = []
    with ExitStack() as all_of_them:

        def three_workers():
            if known:
                try:
                    known[-1].wait_for_workers(3, timeout=20)
                except TimeoutError:
                    known.pop()
            if not known:
                cluster = distributed.LocalCluster(
                    n_workers=3,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,
                    local_directory=tmp_path_factory.mktemp("dask"),
                    silence_logs=CRITICAL,
                )
                known.append(
                    all_of_them.enter_context(distributed.Client(all_of_them.enter_context(cluster)))
                )
            return known[-1]

        yield three_workers


@pytest.fixture
def client(clusters):
    return clusters()


class Slowed(Executor):
    """Gives pieces to an executor, which takes a while for each, notes the beginning of each, and how each fails."""

    def __init__(self, executor: Executor, notes: Path, seconds: float = 0.05) -> None:
        self.executor, self.notes, self.seconds = executor, notes, seconds
        self.failures: list[BaseException] = []

    def submit(self, function, *args):
        notes, seconds = str(self.notes), self.seconds

        def slowly(*args):
            Path(notes, f"{os.getpid()} {uuid.uuid4()}").touch()
            time.sleep(seconds)
            return function(*args)

        future = self.executor.submit(slowly, *args)
        future.add_done_callback(self.note)
        return future

    def note(self, future):
        if not future.cancelled() and future.exception():
            self.failures.append(future.exception())

    def begun(self) -> list[int]:
        """The process of each piece that was begun."""
        return [int(note.name.split()[0]) for note in self.notes.iterdir()]


class Killer:
    """As `progress`, kills a worker process that has pieces to do, once some are done."""

    def __init__(self, client):
        self.client = client
        self.processes = client.run(os.getpid)
        self.killed = []
        self.done = self.pieces = 0

    def __call__(self, done, pieces):
        if self.killed or done < 3:
            return
        busy = [worker for worker, tasks in self.client.processing().items() if tasks]
        if busy:
            self.killed.append(self.processes[busy[0]])
            self.done, self.pieces = done, pieces
            os.kill(self.killed[0], signal.SIGKILL)


def test_a_cluster_gives_the_same(client, answers):
    assert len({*client.run(os.getpid).values(), os.getpid()}) == 4
    with client.get_executor() as executor:
        for one, expected in answers:
            run = one.run(executor=executor)
            for name, ask in QUESTIONS.items():
                assert ask(run) == expected[name], name
            same_rows(run.tables(200), one.table())


def test_a_cluster_is_asked_how_many_workers_it_has(client, few):
    with client.get_executor() as executor:
        assert _executor._workers(executor) == 3
        seen = []
        few.run(executor).count(progress=lambda *at: seen.append(at))
        assert seen[-1] == (24, 24)
    with pytest.raises(TypeError, match=r"not Client; give client\.get_executor\(\)"):
        few.run(client)


@pytest.mark.parametrize("allowed", [3, 0])
def test_a_worker_that_is_killed_changes_nothing(client, some, tmp_path, allowed):
    expected = {name: QUESTIONS[name](some) for name in ("tally by an axis", "frontier")}
    scheduler = client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, allowed
    try:
        with client.get_executor() as executor:
            slowed, killer = Slowed(executor, tmp_path), Killer(client)
            run = some.run(slowed, pieces=40, workers=3)
            assert run.tally(by="concurrency", progress=killer) == expected["tally by an axis"]
            # It was in the midst of the run, and the process had begun pieces that others did again.
            (killed,) = killer.killed
            assert 0 < killer.done < killer.pieces == 40
            assert killed in slowed.begun()
            assert killed not in client.run(os.getpid).values()
            assert len(slowed.begun()) > killer.pieces
            # By default Dask itself gives out anew what a lost worker had; if it must not, that is left to the run.
            lost = [error for error in slowed.failures if isinstance(error, distributed.KilledWorker)]
            assert slowed.failures == lost
            assert bool(lost) == (allowed == 0)
            # What comes after goes on with the other workers.
            assert some.run(executor).frontier("context") == expected["frontier"]
    finally:
        scheduler.allowed_failures = before


def test_workers_that_are_lost_too_often_are_said(client, few, tmp_path):
    scheduler = client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        with client.get_executor() as executor:
            run = few.run(Slowed(executor, tmp_path), pieces=40, workers=3, retries=0)
            with pytest.raises(pondera.PonderaError, match="failed 1 times, at last with KilledWorker"):
                run.count(progress=Killer(client))
    finally:
        scheduler.allowed_failures = before


def test_a_worker_that_is_killed_changes_no_table(client, some, tmp_path):
    with client.get_executor() as executor:
        killer = Killer(client)
        same_rows(some.run(Slowed(executor, tmp_path), workers=3).tables(30, progress=killer), some.table())
        assert 0 < killer.done < killer.pieces == 32


def test_a_failure_on_a_cluster_is_tried_again(client, few, tmp_path):
    """Dask remembers the failure of a call for as long as anybody holds it: a second try must be another call."""
    once = tmp_path / "failed"

    class Flaky(Executor):
        def submit(self, function, *args):
            name = str(once)

            def fails_once(*args):
                try:
                    Path(name).touch(exist_ok=False)
                except FileExistsError:
                    return function(*args)
                raise OSError("the line is cut")

            futures.append(executor.submit(fails_once, *args))
            return futures[-1]

    with client.get_executor() as executor:
        futures = []
        assert few.run(Flaky(), pieces=5, workers=2, retries=1).count() == few.count()
        assert once.exists()
        assert len(futures) == 6


def test_what_was_asked_amiss_is_raised_through_a_cluster(client, few):
    with client.get_executor() as executor, pytest.raises(pondera.PonderaError, match="nonsense"):
        few.run(executor).top(by="nonsense")
