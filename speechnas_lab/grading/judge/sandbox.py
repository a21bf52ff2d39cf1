"""A sandbox by bubblewrap, and in it a warm process from which answers' processes are forked.

Inside there is no network, no file of this machine but the system's and Python's own, read-only, and nothing that was
open outside. Where the grader runs as root, it first becomes the user nobody: only a plain user's limits hold.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path

from ...errors import BadInput
from .running import START, JudgeLimits, Running
from .views import LIBRARY, lay_out, view

MISSING = "grading a class needs bubblewrap, which keeps strangers' code apart"
NOBODY = 65534
NEW_MOUNTS, PRIVATE, BIND = 0x20000, 1 << 18 | 16384, 4096 | 16384
COURSE = "/course"
PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")  # of an environment of Python's
PREFIX = "speechnas-judge-"  # of folders in /tmp


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
            place.parent.mkdir(exist_ok=True)
            place.mkdir(exist_ok=True) if source.is_dir() else place.touch()
            if mount(os.fsencode(source), place, BIND):
                raise OSError(ctypes.get_errno(), f"root may not mount {source}")
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    def _staged(self) -> dict[Path, Path]:
        """What is Python's -> where root shows it to nobody."""
        return {place: self.folder / "python" / str(n) for n, place in enumerate(_python())}

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


def _python() -> list[Path]:
    """What Python itself and its packages need, the system's own left out. An environment may lie in a folder that
    holds more, such as the course's: only its parts are shown, each by one name.
    """
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    parts = [Path(root).resolve() / part for root in (sys.base_prefix, sys.prefix) for part in PARTS]
    found: list[Path] = []
    for place in (path.resolve() for path in (*parts, *map(Path, packages)) if path.exists()):
        if not any(place.is_relative_to(other) for other in (Path("/usr"), *found)):
            found.append(place)
    return found


def _start(course: str, control: int) -> str:
    """What the warm process runs."""
    paths = [course, *dict.fromkeys(os.path.realpath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))]
    return (f"import socket, sys; sys.path[:0] = {paths[:1]!r}; sys.path += {paths[1:]!r}; "
            f"from inside import template; template.main(socket.socket(fileno={control}))")  # fmt: skip
