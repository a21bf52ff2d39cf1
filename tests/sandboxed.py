"""Whether this machine can run the judge's sandbox; where it cannot, the tests that need it are left out."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest


@cache
def missing() -> str:
    """What is missing, or nothing."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    root = os.getuid() == 0
    tries = [(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], {"user": 65534} if root else {})]
    tries += [(["unshare", "--mount", "true"], {})] if root else []
    for command, options in tries:
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **options)
        if done.returncode:
            return f"no namespaces here: {done.stderr.strip()[-200:]}"
    return ""


needs_sandbox = pytest.mark.skipif(bool(missing()), reason=missing() or "all is here")
