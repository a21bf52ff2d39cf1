"""One side of the conversation. Each may ask while the other waits: questions lie within questions, in strict order.

With every message travel the changes of open tensors, which both sides hold. A generator of chance that was handed over
lives with the learner; its state comes back whenever it is handed to a function of the judge's.
"""

from __future__ import annotations

import random
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .tensors import Tensors
from .values import Packer, Unpacker, odd, odd_back
from .wire import Broken, Gone, Late, Line

STATE = struct.Struct("<625I")
MOST_CHANCES = 10_000  # generators, of one check


@contextmanager
def reading() -> Iterator[None]:
    """While what the other side sent is read: whatever fails, the message is at fault."""
    try:
        yield
    except Exception as error:
        raise Broken(f"a message is not as it should be ({type(error).__name__})") from None


class Peer:
    """line: to the other side. sign: 1 for the judge, -1 for the worker."""

    def __init__(self, line: Line, sign: int) -> None:
        self.line, self.sign = line, sign
        self.tensors = Tensors(sign, self.slopes)
        self.chances: dict[int, list[Any]] = {}  # handle -> [generator, the state that the other side knows]

    # what each side adds ----------------------------------------------------------------------------------------------
    def pack_special(self, packer: Pack, value: Any, depth: int) -> Any:
        """JSON for what is neither plain data nor a tensor."""
        return odd(packer, value, depth)

    def unpack_special(self, unpacker: Unpack, kind: str, node: list[Any], depth: int) -> Any:
        """The other way."""
        raise Broken(f"nothing called {kind[:40]!r} may travel")

    def serve(self, what: str, plain: list[Any], value: Any) -> tuple[Any, dict[str, Any]]:
        """(the answer to a question, more to say with it)."""
        raise NotImplementedError

    def forget(self) -> None:
        """Nothing is shared any more."""
        self.tensors.forget()
        self.chances.clear()

    def failed(self, error: BaseException) -> Any:
        """What to tell of an error that a question led to."""
        raise error

    # conversation -----------------------------------------------------------------------------------------------------
    def ask(self, what: str, plain: list[Any], value: Any = None, opened: bool = False) -> tuple[Any, dict[str, Any]]:
        """Ask the other side; return its answer and the whole message. Serves what it asks back meanwhile.

        opened: what is handed over counts as shared, and what the other side changes in it is changed here.
        """
        pack = self._say({"ask": what, "plain": plain}, value, opened)
        while True:
            message, answer = self._hear()
            if "ask" not in message:
                if "touched" in message and opened:
                    with reading():
                        self._touch(pack.containers, message["touched"])
                return answer, message
            self._serve(message, answer)

    def _say(self, message: dict[str, Any], value: Any, opened: bool = False, met: set[int] | None = None) -> Pack:
        pack = Pack(self, opened)
        message["before"] = self.tensors.changes(pack)
        message["value"] = pack.value(value)
        message["after"] = self.tensors.changes(pack)
        message["chances"] = self._moved(pack, pack.met | (met or set()))
        self.line.send(message, pack.block)
        return pack

    def _hear(self) -> tuple[dict[str, Any], Any]:
        message, block = self.line.take()
        if not isinstance(message, dict) or not message.keys() >= {"before", "value", "after", "chances"}:
            raise Broken("a message without its parts")
        unpack = Unpack(self, block)
        with reading():
            self.tensors.heed(unpack, message["before"])
            value = unpack.value(message["value"])
            self.tensors.heed(unpack, message["after"])
            self._move(unpack, message["chances"])
        self.heard = unpack
        return message, value

    def _serve(self, message: dict[str, Any], value: Any) -> None:
        what, plain = message["ask"], message.get("plain")
        met = self.heard.met if self.sign > 0 else None
        if type(what) is not str or type(plain) is not list:
            raise Broken("a question without its parts")
        try:
            answer, more = self.serve(what, plain, value)
            self._say(more, answer, met=met)
        except (Broken, Late, Gone):
            raise
        except BaseException as error:  # also where the answer cannot be handed over
            self._say({"error": self.failed(error)}, None, met=met)

    # slopes -----------------------------------------------------------------------------------------------------------
    def slopes(self, handle: int, grad: Tensor) -> list[Tensor | None]:
        """Slopes of a tensor of the other side by its leaves."""
        answer, message = self.ask("slopes", [handle, torch.is_grad_enabled()], grad)
        self.check(message)
        if type(answer) is not list or not all(item is None or isinstance(item, Tensor) for item in answer):
            raise Broken("slopes are a list of tensors")
        return answer

    def check(self, message: dict[str, Any]) -> None:
        """Raise what the message says went wrong."""

    def own_slopes(self, handle: int, again: bool, grad: Tensor) -> list[Tensor | None]:
        """What `slopes` asks of this side. again: the slopes are to have slopes themselves."""
        from .tensors import leaves_of

        tensor = self.tensors.twins[handle].tensor
        if tensor.grad_fn is None:
            return [grad]
        leaves = leaves_of(tensor)
        found = torch.autograd.grad(
            tensor, leaves, grad, retain_graph=True, create_graph=again is True, allow_unused=True
        )
        return list(found)

    # chance -----------------------------------------------------------------------------------------------------------
    def pack_chance(self, pack: Pack, source: random.Random) -> list[Any]:
        """JSON for a generator of chance."""
        handle = next((h for h, (known, _) in self.chances.items() if known is source), None)
        if handle is None:
            handle = self.sign * (len(self.chances) + 1)
            self.chances[handle] = [source, None]
        pack.met.add(handle)
        return ["chance", handle]

    def unpack_chance(self, handle: int) -> random.Random:
        """The generator of this handle."""
        if handle not in self.chances:
            if type(handle) is not int or (handle > 0) == (self.sign > 0):
                raise Broken("a generator of chance under a handle of this side")
            if len(self.chances) >= MOST_CHANCES:
                raise Broken("there are too many generators of chance")
            self.chances[handle] = [random.Random(0), None]
        return self.chances[handle][0]

    def _moved(self, pack: Pack, met: set[int]) -> list[Any]:
        found = []
        for handle in met:
            entry = self.chances[handle]
            state = random.Random.getstate(entry[0])
            if state != entry[1]:
                entry[1] = state
                found.append([handle, state[2], *pack.raw(STATE.pack(*state[1]))])
        return found

    def _move(self, unpack: Unpack, moved: list[Any]) -> None:
        for handle, gauss, begin, count in moved:
            state = STATE.unpack(unpack.raw(begin, count))
            if state[-1] > 624 or not (gauss is None or type(gauss) is float):
                raise Broken("a state of no generator")
            source = self.unpack_chance(handle)
            self.chances[handle][1] = whole = (3, state, gauss)
            source.setstate(whole)

    def _touch(self, containers: list[Any], touched: Any) -> None:
        """Take over what was changed in the containers that had been handed over."""
        if type(touched) is not list:
            raise Broken("changes are a list")
        for place, node in touched:
            if type(place) is not int or not 0 <= place < len(containers):
                raise Broken("a container that was not handed over")
            refill(containers[place], self.heard.value(node))


def refill(old: Any, new: Any) -> None:
    """Make a container hold what another of its type holds. No array comes into a list that had none: whoever compares
    the list would compare numbers by number.
    """
    if type(old) is not type(new):
        raise Broken("a container became another one")
    if isinstance(old, (list, dict, set)) and _holds_numbers(new) and not _holds_numbers(old):
        raise Broken("an array came into a list that had none")
    if isinstance(old, list):
        old[:] = new
    elif isinstance(old, (dict, set)):
        old.clear()
        old.update(new)
    elif old.shape == new.shape and old.dtype == new.dtype:
        old[...] = new


def _holds_numbers(value: Any) -> bool:
    """Whether there is an array or a tensor in it."""
    if isinstance(value, dict):
        return any(map(_holds_numbers, (*value, *value.values())))
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return any(map(_holds_numbers, value))
    return isinstance(value, (np.ndarray, Tensor))


class Pack(Packer):
    """Values of one side. containers: those that can be changed, in the order of their beginnings. met: handles of the
    generators of chance among them.
    """

    def __init__(self, peer: Peer, opened: bool = False) -> None:
        super().__init__()
        self.peer, self.opened, self.containers, self.met = peer, opened, [], set()

    def value(self, value: Any, depth: int = 0) -> Any:
        if is_container(value):
            self.containers.append(value)
        return super().value(value, depth)

    def special(self, value: Any, depth: int) -> Any:
        if isinstance(value, Tensor):
            return self.peer.tensors.pack(self, value, self.opened)
        if type(value) is random.Random:
            return self.peer.pack_chance(self, value)
        return self.peer.pack_special(self, value, depth)


class Unpack(Unpacker):
    """Values for one side. containers: as in `Pack`."""

    def __init__(self, peer: Peer, block: bytes | memoryview) -> None:
        super().__init__(block)
        self.peer, self.containers, self.met = peer, [], set()

    def _value(self, node: Any, depth: int) -> Any:
        if type(node) is list and node and node[0] in ("list", "dict", "set", "array"):
            place = len(self.containers)
            self.containers.append(None)
            self.containers[place] = value = super()._value(node, depth)
            return value
        return super()._value(node, depth)

    def special(self, kind: str, node: list[Any], depth: int) -> Any:
        if kind in ("tensor", "twin"):
            return self.peer.tensors.unpack(self, node)
        if kind == "chance":
            self.met.add(node[1])
            return self.peer.unpack_chance(node[1])
        if kind in ("foreign", "kind of", "items") and self.peer.sign > 0:
            return odd_back(self, node, depth)
        return self.peer.unpack_special(self, kind, node, depth)


def is_container(value: Any) -> bool:
    """Whether what a function was handed can be changed in place, tensors apart."""
    return type(value) in (list, dict, set) or type(value).__name__ == "ndarray"
