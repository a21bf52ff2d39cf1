"""JupyterLab with a real browser before it: for tests, and for looking at every lesson with one's own eyes."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SETTINGS = {  # every cell stays on the page, nothing pops up
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def copy_course(folder: Path) -> Path:
    """Lessons and exercises in a folder of their own, as a learner has them."""
    for name in ("notebooks", "exercises"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("runs", ".ipynb_checkpoints"))
    for path in folder.rglob("*.ipynb"):  # nothing has run yet: then a new number at a cell says that it has
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    return folder


@contextmanager
def jupyterlab(folder: Path, state: Path) -> Iterator[str]:
    """Serve `folder`; yields the address. `state` takes settings and the learner's progress."""
    for name, values in SETTINGS.items():
        place = state / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"JUPYTERLAB_SETTINGS_DIR": str(state / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
           "SPEECHNAS_HOME": str(state / "home"), "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]  # fmt: skip
    log = (state / "server.log").open("w")
    server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/api", timeout=2).read()
                break
            except OSError:
                time.sleep(0.5)
        else:
            raise RuntimeError(f"JupyterLab did not start: {(state / 'server.log').read_text()[-500:]}")
        yield url
    finally:
        server.terminate()
        server.wait(20)


class Page:
    """One notebook in the browser."""

    def __init__(self, page: object, url: str, path: str, patience: int = 240_000) -> None:
        self.page, self.patience = page, patience
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.goto(f"{url}/lab/tree/{path}?reset", timeout=patience)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=patience)
        page.wait_for_selector(".jp-NotebookPanel [data-status='idle']", timeout=patience)

    def cells(self) -> object:
        return self.page.locator(".jp-NotebookPanel .jp-Cell")

    def cell(self, text: str) -> object:
        """The first code cell whose source contains `text` now; it stays the same cell when its text changes."""
        code = self.page.locator(".jp-NotebookPanel .jp-CodeCell")
        for _ in range(self.patience // 200):  # editors appear one after the other
            sources = code.locator(".jp-InputArea .cm-content").all_inner_texts()
            found = [number for number, source in enumerate(sources) if text in source]
            if found and len(sources) == code.count():
                return code.nth(found[0])
            self.page.wait_for_timeout(200)
        raise TimeoutError(f"no cell holds {text!r}: {sources}")

    def type_into(self, cell: object, source: str) -> None:
        """Replace the source of a cell."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(source)

    def run(self, cell: object) -> None:
        """Run a cell and wait until it has run."""
        prompt = cell.locator(".jp-InputArea-prompt")
        before, pressed = prompt.inner_text(), -60.0
        deadline = time.monotonic() + self.patience / 1000
        while time.monotonic() < deadline:
            now = prompt.inner_text()
            if now != before and re.search(r"\d", now):
                return
            if "*" not in now and time.monotonic() - pressed > 10:  # a page that is still being built hears no key
                cell.locator(".cm-content").click()
                self.page.keyboard.press("Control+Enter")
                pressed = time.monotonic()
            self.page.wait_for_timeout(100)
        raise TimeoutError(f"a cell did not end: {cell.locator('.cm-content').inner_text()[:80]}")

    def run_all(self) -> None:
        """Run every code cell, from top to bottom."""
        code = self.page.locator(".jp-NotebookPanel .jp-CodeCell")
        number = 0
        while number < code.count():  # which grows: a page that opens shows its cells one after the other
            self.run(code.nth(number))
            number += 1


@contextmanager
def browser() -> Iterator[object]:
    """A headless Chromium page factory."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()
