"""A warm process from which each answer's process is forked, into namespaces of its own.

On its socket comes, for each answer, a line of JSON with three descriptors: the line to the judge, where to print,
and where to tell how it ended. The fork's parent waits outside the new namespaces and tells; the answer's process is
the first of its own process namespace, so that all it starts ends with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from . import calls

NEW = {"mount": 0x20000, "ipc": 0x8000000, "user": 0x10000000, "process": 0x20000000, "net": 0x40000000}
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC, BIND, PRIVATE = 1, 2, 4, 8, 4096, 1 << 18 | 16384
NO_NEW_PRIVILEGES, DROP = 38, 24
C = ctypes.CDLL(None, use_errno=True)


def main(control: socket.socket) -> None:
    """Fork on demand until the judge hangs up."""
    _warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.sendall(b"ready\n")
    while True:
        text, ends, _, _ = socket.recv_fds(control, 65536, 3)
        if not text:
            return
        if os.fork() == 0:
            control.close()
            _watch(json.loads(text), *ends)
        for end in ends:
            os.close(end)


def _warm() -> None:
    """Load, and use once, what most answers need: the first slope of a process takes half a second."""
    import numpy  # noqa: F401
    import torch

    from . import tensors, worker  # noqa: F401

    with suppress(ImportError):
        import scipy.optimize  # noqa: F401
    torch.set_num_threads(1)
    x = torch.ones(2, requires_grad=True)
    far = tensors.Far.apply(lambda handle, grad: [grad], 0, torch.ones(2), x)
    torch.autograd.grad((far.softmax(0) @ x).sum(), x)
    torch.optim.SGD([x], 0.1)
    torch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()


def _watch(job: dict[str, Any], line: int, out: int, told: int) -> NoReturn:
    """Start the answer's process and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    tell = socket.socket(fileno=told)
    try:
        if job["apart"]:
            _unshare(job)
        pid = os.fork()
    except OSError as error:
        tell.sendall(json.dumps({"failed": f"{error.strerror} ({error.filename or 'fork'})"}).encode() + b"\n")
        os._exit(1)
    if pid == 0:
        tell.close()
        _become(job, line, out)
    socket.send_fds(tell, [b"started\n"], [os.pidfd_open(pid)])
    os.close(line)
    os.close(out)
    _, status = os.waitpid(pid, 0)
    ended = os.waitstatus_to_exitcode(status)
    with suppress(OSError):
        tell.sendall(json.dumps({"exit": ended}).encode() + b"\n")
    os._exit(0)


def _unshare(job: dict[str, Any]) -> None:
    """New namespaces, in which this user has no more rights than outside."""
    user, group = os.getuid(), os.getgid()
    _check(C.unshare(NEW["user"] | NEW["mount"] | NEW["ipc"] | NEW["net"] | NEW["process"]), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    with suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")  # nobody makes further ones, in which they would be root
    _mount(None, "/", None, PRIVATE)
    safe = NO_SETUID | NO_DEVICES
    for place in ("/tmp", "/dev/shm"):
        _mount("tmpfs", place, "tmpfs", safe, f"size={job['disk_mb']}m,nr_inodes=10000,mode=1777")
    _mount(job["view"], job["course"], None, BIND)
    _mount("tmpfs", job["views"], "tmpfs", safe | READ_ONLY, "size=4k")


def _become(job: dict[str, Any], line: int, out: int) -> NoReturn:
    """The answer's process."""
    ended = 1
    try:
        os.setsid()
        if job["apart"]:
            _mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_EXEC)
        nothing = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (out, 2), (line, 200)):
            os.dup2(source, target)
        os.dup2(200, 3)
        os.closerange(4, 1024)
        _limit(job)
        if job["apart"]:
            _give_up_rights()
        os.chdir("/tmp")
        sys.path.insert(0, job["course"])
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False, buffering=1)
        from . import worker

        worker.serve(socket.socket(fileno=3))
        ended = 0
    except BaseException:  # what it prints tells a teacher more than an exit status
        traceback.print_exc()
    finally:
        os._exit(ended)  # no exit handler or thread of the answer's has a say


def _limit(job: dict[str, Any]) -> None:
    """Limits of this process and all that it starts. Processes are counted in its own user namespace."""
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    memory, seconds = taken + job["memory_mb"] * 2**20, int(job["seconds"]) + 5
    for what, most in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, job["disk_mb"] * 2**20), (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_NPROC, job["processes"]),
    ):  # fmt: skip
        if job["apart"] or what != resource.RLIMIT_NPROC:
            resource.setrlimit(what, (most, most))


def _give_up_rights() -> None:
    """No rights beyond those of a plain user, now or later."""
    for right in range(64):
        if C.prctl(DROP, right, 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _check(C.capset(header, (ctypes.c_uint32 * 6)()), "capset")
    _check(C.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    calls.refuse()


def _mount(source: str | None, place: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else word.encode() for word in (source, place, kind)]
    _check(C.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"mount {place}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
