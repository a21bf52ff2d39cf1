"""An answer's process while it runs: the line to it, what it prints, what it takes, and its limits."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from .inside.wire import Late, Line

START = 300.0  # seconds in which a process has to be ready
LOOK = 0.2  # seconds between two looks at what a process takes
KEPT = 20_000  # bytes that are kept of what an answer prints
CLOCK = 4  # on a busy machine, an answer gets a quarter of the clock's seconds at least
HELD = ("RssAnon", "RssShmem", "VmSwap")  # in a process's status: memory that is no file's


@dataclass(frozen=True)
class JudgeLimits:
    """Of one submission. seconds: that its processes compute, together. memory_mb: beyond what the library itself
    needs. output_mb: printed. processes: at one time, threads among them. disk_mb: of files in its own /tmp.
    """

    seconds: float = 60.0
    memory_mb: int = 1000
    output_mb: int = 256
    processes: int = 24
    disk_mb: int = 64

    @property
    def clock(self) -> float:
        """Seconds of the clock after which it ends in any case, also where it only waits."""
        return CLOCK * self.seconds


class Running:
    """An answer's process. line: to talk to it, until its time is over. Watches what it prints and takes."""

    def __init__(self, end: socket.socket, told: socket.socket, out: int, limits: JudgeLimits) -> None:
        self.end, self.told, self.out, self.limits = end, told, out, limits
        self.printed, self.kept, self.over, self.ended = 0, bytearray(), "", ""
        self.silent = False  # whether nothing can be printed any more
        told.settimeout(START)
        try:
            text, pids, _, _ = socket.recv_fds(told, 4096, 1)
        except OSError:
            text, pids = b"", []
        self.pid = pids[0] if pids else -1
        if not pids:
            self.close()
            raise OSError(f"no process for an answer could be started: {text.decode('utf-8', 'replace').strip()}")
        os.set_blocking(out, False)
        self.since = time.monotonic()
        self.line = Watched(self)

    def look(self) -> None:
        """Read what it printed; note a limit that it passed, and end it then."""
        self.read()
        computed, held = self._taken()
        if held > (self.limits.memory_mb + 500) * 2**20:
            self.stop("it took more memory than allowed")
        if computed > self.limits.seconds:
            self.stop(f"it took longer than {self.limits.seconds:g} seconds")
        if time.monotonic() - self.since > self.limits.clock:
            self.stop(f"it took longer than {self.limits.clock:g} seconds of the clock; does it wait for something?")

    def read(self) -> None:
        """Read what it printed so far."""
        with suppress(BlockingIOError):
            while part := os.read(self.out, 65536):
                self.printed += len(part)
                self.kept += part[: max(0, KEPT - len(self.kept))]
                if self.printed > self.limits.output_mb * 10**6:
                    return self.stop(f"it printed more than {self.limits.output_mb} MB")
            self.silent = True

    def _taken(self) -> tuple[float, int]:
        """(seconds that its processes computed, bytes that they hold by themselves)."""
        seconds, held = 0.0, 0
        with suppress(psutil.Error, OSError, ValueError):
            top = psutil.Process(_pid_of(self.pid))
            for process in (top, *top.children(recursive=True)):
                with suppress(psutil.Error, OSError):
                    seconds += sum(process.cpu_times()[:4])  # also of those that it started and that have ended
                    with open(f"/proc/{process.pid}/status") as file:
                        held += sum(int(line.split()[1]) << 10 for line in file if line.startswith(HELD))
        return seconds, held

    def stop(self, why: str) -> None:
        """End it: it passed a limit."""
        self.over = self.over or why
        self.kill()

    def kill(self) -> None:
        with suppress(OSError):
            signal.pidfd_send_signal(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it and all that it started; `ended` says how it had ended."""
        with suppress(OSError):
            self.end.close()
        if self.pid >= 0:
            if not self.over:
                select.select([self.pid], [], [], 0.2)  # it may end by itself
            self.kill()
            with suppress(OSError, ValueError):
                self.told.settimeout(20.0)
                told = json.loads(self.told.recv(4096) or b"{}")
                code = told.get("exit")
                self.ended = f"signal {-code}" if code < 0 else f"exit status {code}"
            os.close(self.pid)
            self.pid = -1
        self.told.close()
        os.close(self.out)


class Watched(Line):
    """The line to an answer's process; while nothing comes, the process is looked after."""

    def __init__(self, running: Running) -> None:
        super().__init__(running.end)
        self.running, self.looked = running, time.monotonic()
        running.end.setblocking(False)

    def take(self) -> tuple[Any, memoryview]:
        if time.monotonic() - self.looked > LOOK:  # where answers come at once, nobody waits
            self._look()
        return super().take()

    def wait(self, to_write: bool) -> None:
        end, out = [self.end], [] if self.running.silent else [self.running.out]
        ready, _, _ = select.select(out if to_write else [*end, *out], end if to_write else [], [], LOOK)
        if (out and out[0] in ready) or time.monotonic() - self.looked > LOOK:
            self._look()

    def _look(self) -> None:
        self.looked = time.monotonic()
        self.running.look()
        if self.running.over:
            raise Late(self.running.over)


def _pid_of(descriptor: int) -> int:
    """The process behind a descriptor of one."""
    with open(f"/proc/self/fdinfo/{descriptor}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
