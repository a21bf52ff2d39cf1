"""Work shared by two processes, one thread each, with the progress of both on one bar."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any


def _unheard(units: float) -> None:
    """Nobody listens to progress."""


_report: Callable[[float], None] = _unheard  # where finished units of work are reported


class WorkerLost(RuntimeError):
    """A worker process was ended from outside: by a user, or by a system short of memory."""


def _start(ticks: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    on_tick(ticks.put)


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers: they watch for that themselves."""
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def _deaf_to_interrupt() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C: it goes to the whole group, and the parent alone answers it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def tick(units: float) -> None:
    """Called inside a job: so many more units of work are done."""
    _report(units)


def on_tick(listener: Callable[[float], None]) -> None:
    """Let `listener` hear of finished work in this process."""
    global _report
    _report = listener


@contextmanager
def _told() -> Iterator[None]:
    """Say in one line what the library tells at length."""
    try:
        yield
    except BrokenExecutor:
        why = "a worker process was ended from outside (is memory short?); run the same command again to go on"
        raise WorkerLost(why) from None


class Workers:
    """A pool of `count` processes. Use as a context, or `close` it; left by an exception it stops the work at once."""

    def __init__(self, count: int = 2) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = "1"  # read by the children as they start
        context = multiprocessing.get_context("spawn")
        self.ticks = context.Queue()
        self.pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(self.ticks,))

    def __enter__(self) -> Workers:
        return self

    def close(self) -> None:
        """Let the processes finish what they do and end."""
        self.__exit__(None)

    def __exit__(self, kind: type | None, *_: object) -> None:
        children = list((self.pool._processes or {}).values()) if kind else []
        self.pool.shutdown(wait=kind is None, cancel_futures=True)
        for child in children:
            child.terminate()

    def submit(self, work: Callable, *args: Any) -> Future:
        """Start one job; its result is that of `work(*args)`."""
        with _deaf_to_interrupt(), _told():
            return self.pool.submit(work, *args)

    def gather(self, futures: Sequence[Future], advance: Callable[[float], None] | None = None) -> list[Any]:
        """Results in order. `advance(units)` hears of the work as it gets done; a job's exception is raised here."""
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            self._report(advance)
            for future in done:
                with _told():
                    future.result()
        self._report(advance)
        return [future.result() for future in futures]

    def map(self, work: Callable, rows: Sequence[Any], advance: Callable[[float], None] | None = None) -> list[Any]:
        """`work(row)` for each row, results in order."""
        return self.gather([self.submit(work, row) for row in rows], advance)

    def _report(self, advance: Callable[[float], None] | None) -> None:
        while True:
            try:
                units = self.ticks.get_nowait()
            except queue.Empty:
                return
            if advance:
                advance(units)


def in_chunks(
    workers: Workers, work: Callable[[list], list], rows: Sequence[Any], size: int,
    advance: Callable[[float], None] | None = None,
) -> Iterator[tuple[Any, float]]:
    """For each row, in order, its entry of `work(rows)` and its share of the seconds; `size` rows at a time, half of
    them in each of two workers.

    The next chunk is in the workers' queue before one is waited for, so that they never stand idle.
    """
    chunks = [rows[start : start + size] for start in range(0, len(rows), size)]

    def submit(chunk: Sequence[Any]) -> list[Future]:
        return [workers.submit(work, list(half)) for half in (chunk[0::2], chunk[1::2]) if half]

    coming = submit(chunks[0]) if chunks else []
    for number, chunk in enumerate(chunks):
        jobs, start = coming, time.perf_counter()
        coming = submit(chunks[number + 1]) if number + 1 < len(chunks) else []
        results = [None] * len(chunk)
        for place, found in enumerate(workers.gather(jobs, advance)):
            results[place::2] = found
        seconds = (time.perf_counter() - start) / len(chunk)
        yield from ((result, seconds) for result in results)
