"""Beside the learner's code: run the cells, call what they define, hand back what it gave. Decides nothing."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import sys
import threading
from contextlib import suppress
from typing import Any

from torch import nn

from . import stand_ins
from .cells import run
from .frames import first_line, inputs_of, learners_frames
from .meters import fresh, metered
from .peer import Pack, Peer, Unpack, is_container
from .values import Packer, odd
from .wire import Broken, Gone, Line


class Refused(Exception):
    """An error of the judge's side whose type has no like here."""


class Worker(Peer):
    """Serves until the judge hangs up."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, -1)
        self.names: dict[str, Any] = {}
        self.texts: dict[int, tuple[Any, str]] = {}  # id of an architecture -> itself and its text
        self.defines: list[str] = []  # of these names, those that the judge asks for
        self.made: dict[Any, Any] = {}  # handle -> stand-in
        self.places: dict[int, Any] = {}  # id of a stand-in -> handle
        self.chains: dict[int, dict[str, nn.Parameter]] = {}  # handle -> the twins that a chain of layers began with
        self.only = threading.RLock()  # threads of the learner's take turns

    def ask(self, *question: Any, **more: Any) -> Any:
        with self.only:
            return super().ask(*question, **more)

    def listen(self) -> None:
        """Serve questions."""
        while True:
            message, value = self._hear()
            self._serve(message, value)

    def serve(self, what: str, plain: list[Any], value: Any) -> tuple[Any, dict[str, Any]]:
        if what == "cells":
            self.names, told = run(plain[0])
            self.defines = plain[1]
            return None, {"told": told, "callable": {n: self._callable(n) for n in plain[1]}}
        if what == "call":
            return self._call(*plain, value)
        if what == "slopes":
            return self.own_slopes(*plain, value), {}
        if what == "chance":
            if plain[0] == "stir":
                random.random()
            return hashlib.sha256(repr(random.getstate()).encode()).hexdigest(), {}
        if what == "forget":
            self.forget()
            self.made.clear()
            self.texts.clear()
            self.places.clear()
            self.chains.clear()
            return None, {}
        raise Broken("an unknown question")

    def _callable(self, name: str) -> str:
        """Why a name cannot be called, or ""."""
        if name not in self.names:
            return f"{name} is not defined; run the cell with your answer, and keep its name"
        value = self.names[name]
        return "" if callable(value) else f"{name} is a {type(value).__name__}, not a function"

    def _call(
        self, name: str, opened: bool, meter: list[Any] | None, times: int, value: Any
    ) -> tuple[Any, dict[str, Any]]:
        inputs, options = value
        containers = self.heard.containers if opened else []
        before = [_picture(container) for container in containers]
        function, more = self.names[name], {}
        if meter:
            got, more["count"] = metered(*meter, function, *inputs)
        elif times:
            got = [function(*map(fresh, inputs)) for _ in range(times)]
        else:
            got = function(*inputs, **options)
        self._swapped(more)
        touched = [
            (place, container) for place, (container, old) in enumerate(zip(containers, before, strict=True))
            if is_container(container) and _picture(container) != old
        ]  # fmt: skip
        return Told(got, touched), more

    def _swapped(self, more: dict[str, Any]) -> None:
        """Name the parameters of chains that are other tensors than before."""
        found = []
        for handle, twins in self.chains.items():
            now = dict(self.made[handle].named_parameters())
            found += [[handle, name] for name, twin in twins.items() if now.get(name) is not twin]
        more["swapped"] = found

    def _say(self, message: dict[str, Any], value: Any, opened: bool = False, met: set[int] | None = None) -> Pack:
        with suppress(Exception):  # of a stream of the learner's own
            sys.stdout.flush()  # what was printed is there before the answer is
        if isinstance(value, Told):  # an answer with changes of what was handed over: all in one message
            pack = Pack(self, opened)
            message["before"] = self.tensors.changes(pack)
            message["value"] = pack.value(value.got)
            message["touched"] = [[place, pack.value(container)] for place, container in value.touched]
            message["after"] = self.tensors.changes(pack)
            message["chances"] = self._moved(pack, pack.met)
            self.line.send(message, pack.block)
            return pack
        return super()._say(message, value, opened, met)

    def failed(self, error: BaseException) -> Any:
        own = learners_frames(error, self.names, [self.names.get(name) for name in self.defines])
        kinds = [kind.__name__ for kind in type(error).__mro__][:12]
        told = {"types": kinds, "origin": getattr(error, "_origin", None)}
        try:
            told |= {"text": str(error)[:2000], "first": first_line(error)}
        except Exception:  # of a learner's class
            told |= {"text": "", "first": ""}
        if own:
            frame, line = own[-1]
            told |= {"name": frame.f_code.co_name, "line": line, "inputs": inputs_of(own[0][0])}
        return told

    def check(self, message: dict[str, Any]) -> None:
        if "error" in message:
            kinds, text, origin = message["error"]
            base = next((k for k in map(_builtin, kinds) if k), Refused)
            error = base(text)
            error._origin = origin
            raise error

    def pack_special(self, packer: Pack, value: Any, depth: int) -> Any:
        if id(value) in self.places:
            return ["mine", self.places[id(value)]]
        if type(value).__name__ == "Architecture" and type(value).__module__ == "speechnas_lab.space.architecture":
            if id(value) not in self.texts:
                self.texts[id(value)] = value, value.to_json()
            return ["architecture", self.texts[id(value)][1]]
        return odd(packer, value, depth)

    def unpack_special(self, unpacker: Unpack, kind: str, node: list[Any], depth: int) -> Any:
        if kind == "architecture":
            from speechnas_lab.space import Architecture

            return Architecture.from_json(node[1])
        handle, *more = node[1:]
        if kind in ("optimizer", "module", "layers"):  # each time, so that its twins are open again
            more[0] = {name: unpacker.value(value) for name, value in more[0].items()}
        if handle not in self.made:
            self._keep(handle, self._stand_in(unpacker, kind, handle, *more))
        return self.made[handle]

    def _serve(self, message: dict[str, Any], value: Any) -> None:
        try:
            super()._serve(message, value)
        except Broken as error:  # too much, or too deep, to be handed over
            self._say({"error": {"types": ["ValueError"], "large": str(error)}}, None)
        if message["ask"] == "call":
            self.tensors.open.clear()

    def _stand_in(self, unpacker: Unpack, kind: str, handle: int, *more: Any) -> Any:
        def ask(method: str, inputs: tuple, options: dict) -> Any:
            answer, message = self.ask("method", [handle, method], [list(inputs), options])
            self.check(message)
            return answer

        if kind == "function":
            return stand_ins.function(ask, *more)
        if kind == "object":
            return stand_ins.thing(ask, *more)
        if kind == "choices":
            from speechnas_lab.space import Choices

            return Choices(**{name: unpacker.value(value) for name, value in more[0].items()})
        if kind == "space":
            from speechnas_lab.space import MobileConformerSpace

            return MobileConformerSpace(choices=unpacker.value(more[0]))
        twins = more[0]
        if kind == "optimizer":
            return stand_ins.Optimizer(ask, list(twins.values()), more[1])
        if kind == "module":
            return stand_ins.Module(ask, twins, more[1])
        chain = stand_ins.layers(more[1], twins)
        self.chains[handle] = twins
        for place, hooks in more[2]:
            for hook in hooks:
                told = unpacker.value(hook)
                own = chain[place]  # also where a copy of it runs
                own.register_forward_pre_hook(lambda _, inputs, told=told, own=own: told(own, inputs))
        for place, layer in enumerate(chain):
            self._keep((handle, place), layer)
        return chain

    def _keep(self, handle: Any, made: Any) -> None:
        self.made[handle], self.places[id(made)] = made, handle


class Told:
    """An answer, and what it did to the containers that it had been handed."""

    def __init__(self, got: Any, touched: list[tuple[int, Any]]) -> None:
        self.got, self.touched = got, touched


class _Look(Packer):
    """Shows what is no plain data by its place in memory."""

    def special(self, value: Any, depth: int) -> Any:
        return ["at", id(value)]


def _picture(container: Any) -> tuple[str, bytes]:
    """The contents of a container, to compare."""
    look = _Look()
    try:
        return json.dumps(look.value(container)), bytes(look.block)
    except Broken:
        return "too much", b""


def _builtin(name: str) -> type | None:
    import builtins

    found = getattr(builtins, name, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def serve(end: socket.socket) -> None:
    """Serve the judge at the other end until it hangs up."""
    worker = Worker(Line(end))
    with suppress(Gone):
        worker.listen()
