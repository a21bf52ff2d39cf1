"""A sandbox by bubblewrap, and in it a warm process from which answers' processes are forked.

Inside there is no network, no file of this machine but the system's and Python's own, read-only, and nothing that was
open outside. Where the grader runs as root, it first becomes the user nobody: only a plain user's limits hold.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ...errors import BadInput
from .inside.wire import Late, Line
from .views import LIBRARY, lay_out, view

MISSING = "grading a class needs bubblewrap, which keeps strangers' code apart"
NOBODY = 65534
NEW_MOUNTS, PRIVATE, BIND = 0x20000, 1 << 18 | 16384, 4096 | 16384
START = 300.0  # seconds in which the warm process has to be ready
COURSE = "/course"
PREFIX = "speechnas-judge-"  # of folders in /tmp
LOOK = 0.2  # seconds between two looks at what a process takes
KEPT = 20_000  # bytes that are kept of what an answer prints


@dataclass(frozen=True)
class JudgeLimits:
    """Of one submission. seconds: of the clock. memory_mb: beyond what the library itself needs. output_mb: printed.
    processes: at one time, threads among them. disk_mb: of files in its own /tmp.
    """

    seconds: float = 60.0
    memory_mb: int = 1000
    output_mb: int = 256
    processes: int = 24
    disk_mb: int = 64


def bubblewrap() -> str:
    """Where it is. BadInput that says how to install it."""
    found = shutil.which("bwrap")
    if sys.platform != "linux":
        raise BadInput(f"{MISSING}; it exists on Linux only: grade there, for instance in WSL or a virtual machine")
    if found is None:
        raise BadInput(f"{MISSING}: sudo apt install bubblewrap (Debian, Ubuntu), sudo dnf install bubblewrap (Fedora)")
    return found


class Sandbox:
    """One warm process and what is forked from it. folder: an empty one to lay things out in (default: a new one).
    apart: False only to show what happens without a sandbox.
    """

    def __init__(self, limits: JudgeLimits, folder: Path | None = None, apart: bool = True) -> None:
        self.limits, self.apart = limits, apart
        self.folder = folder or Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder.chmod(0o755)
        lay_out(self.folder / "course")
        own, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        course = COURSE if apart else str(self.folder / "course")
        python = [sys.executable, "-I", "-S", "-B", "-c", _start(course, theirs.fileno())]
        command = [*self._command(), *python] if apart else python
        environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "HOME": "/tmp",
                       "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8:replace"}  # fmt: skip
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the sandbox
        self.control = own
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors, env=environment, cwd="/",
                pass_fds=[theirs.fileno()], preexec_fn=self._become if apart and os.getuid() == 0 else None,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            self.close()
            raise BadInput(f"the sandbox does not start here ({error}); as root it needs the right to mount") from None
        finally:
            theirs.close()
        own.settimeout(START)
        try:
            ready = own.recv(16)
        except OSError:
            ready = b""
        if ready != b"ready\n":
            self.errors.seek(0)
            said = self.errors.read()[-400:].decode("utf-8", "replace").strip().splitlines() or ["it says nothing"]
            self.close()
            raise BadInput(f"the sandbox does not start here ({said[-1]}); bubblewrap needs user namespaces")

    def _become(self) -> None:
        """As root: bring what only root can reach where nobody can, then be nobody."""
        libc = ctypes.CDLL(None, use_errno=True)
        mount = lambda source, place, flags: libc.mount(source, os.fsencode(place), None, ctypes.c_ulong(flags), None)  # noqa: E731
        if libc.unshare(NEW_MOUNTS) or mount(None, "/", PRIVATE):
            raise OSError(ctypes.get_errno(), "root may not mount here")
        for source, place in self._staged().items():
            place.mkdir(parents=True, exist_ok=True)
            if mount(os.fsencode(source), place, BIND):
                raise OSError(ctypes.get_errno(), f"root may not mount {source}")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    def _staged(self) -> dict[Path, Path]:
        """Folder of Python's -> where root shows it to nobody."""
        return {folder: self.folder / "python" / str(n) for n, folder in enumerate(_python())}

    def _command(self) -> list[str]:
        staged = self._staged() if os.getuid() == 0 else {folder: folder for folder in _python()}
        command = [bubblewrap(), "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                   "--hostname", "sandbox", "--ro-bind", "/usr", "/usr"]  # fmt: skip
        for name in ("bin", "lib", "lib32", "lib64", "sbin"):
            path = Path("/", name)
            if path.is_symlink():
                command += ["--symlink", os.readlink(path), f"/{name}"]
            elif path.is_dir():
                command += ["--ro-bind", f"/{name}", f"/{name}"]
        for name in ("ld.so.cache", "alternatives", "localtime"):
            command += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        for folder, place in staged.items():
            command += ["--ro-bind", str(place), str(folder)]
        if any(LIBRARY.is_relative_to(folder) for folder in (*staged, Path("/usr"))):
            command += ["--tmpfs", str(LIBRARY), "--remount-ro", str(LIBRARY)]
        command += ["--ro-bind", str(self.folder / "course"), COURSE]
        command += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--"]

    def begin(self, exercise: str) -> Running:
        """Fork a process for an answer to `exercise`."""
        ours, line = socket.socketpair()
        told, tell = socket.socketpair()
        read, out = os.pipe()
        course = COURSE if self.apart else str(self.folder / "course")
        job = {"apart": self.apart, "view": f"{course}/views/{view(exercise)}", "views": f"{course}/views",
               "course": f"{course}/view" if self.apart else f"{course}/views/{view(exercise)}",
               "seconds": self.limits.seconds, "memory_mb": self.limits.memory_mb, "disk_mb": self.limits.disk_mb,
               "processes": self.limits.processes}  # fmt: skip
        try:
            socket.send_fds(self.control, [json.dumps(job).encode()], [line.fileno(), out, tell.fileno()])
        finally:
            line.close()
            tell.close()
            os.close(out)
        return Running(ours, told, read, self.limits)

    def close(self) -> None:
        """End it and all that it started."""
        with suppress(OSError):
            self.control.close()
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()
        self.errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Running:
    """An answer's process. line: to talk to it, until its time is over. Watches what it prints and takes."""

    def __init__(self, end: socket.socket, told: socket.socket, out: int, limits: JudgeLimits) -> None:
        self.end, self.told, self.out, self.limits = end, told, out, limits
        self.printed, self.kept, self.over, self.ended = 0, bytearray(), "", ""
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
        self.until = time.monotonic() + limits.seconds
        self.line = Watched(self)

    def look(self) -> None:
        """Read what it printed; note a limit that it passed, and end it then."""
        with suppress(BlockingIOError):
            while part := os.read(self.out, 65536):
                self.printed += len(part)
                self.kept += part[: max(0, KEPT - len(self.kept))]
                if self.printed > self.limits.output_mb * 10**6:
                    return self.stop(f"it printed more than {self.limits.output_mb} MB")
        if self._memory() > (self.limits.memory_mb + 500) * 2**20:
            self.stop("it took more memory than allowed")

    def _memory(self) -> int:
        """Bytes that its processes hold by themselves."""
        total = 0
        with suppress(psutil.Error, OSError, ValueError):
            top = psutil.Process(_pid_of(self.pid))
            for process in (top, *top.children(recursive=True)):
                with open(f"/proc/{process.pid}/statm") as file:
                    _, resident, shared, *_ = map(int, file.read().split())
                total += (resident - shared) * 4096
        return total

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
        end, out = self.end, self.running.out
        ready, _, _ = select.select([end, out] if not to_write else [out], [end] if to_write else [], [], LOOK)
        if out in ready or time.monotonic() - self.looked > LOOK:
            self._look()

    def _look(self) -> None:
        self.looked = time.monotonic()
        if self.looked > self.running.until:
            raise Late
        self.running.look()


def _python() -> list[Path]:
    """The folders that Python itself and its packages need, the system's own left out."""
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    folders = [Path(path).resolve() for path in (sys.base_prefix, sys.prefix, *packages) if Path(path).is_dir()]
    found: list[Path] = []
    for folder in folders:
        if not any(folder.is_relative_to(other) for other in (Path("/usr"), *found)):
            found.append(folder)
    return found


def _start(course: str, control: int) -> str:
    """What the warm process runs."""
    paths = [course, *dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))]
    return (f"import socket, sys; sys.path[:0] = {paths[:1]!r}; sys.path += {paths[1:]!r}; "
            f"from inside import template; template.main(socket.socket(fileno={control}))")  # fmt: skip


def _pid_of(descriptor: int) -> int:
    """The process behind a descriptor of one."""
    with open(f"/proc/self/fdinfo/{descriptor}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))
