"""The judge's side of the conversation: `work` for checks whose answer runs elsewhere. What comes back is a claim.

The judge's objects stay here. The learner's code holds handles, may call what a class lists in `HANDED`, functions and
networks that a check handed over, and nothing else.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from functools import lru_cache
from types import GeneratorType
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BadInput
from ...space import Architecture, Choices, MobileConformerSpace
from ..exercise import Wrong
from ..marking import Told, Unusable
from .inside.peer import Pack, Peer, Unpack, reading
from .inside.stand_ins import LAYERS
from .inside.values import BASES, Foreign, below, foreign
from .inside.wire import Broken, Line

MOST_QUESTIONS = 500_000  # that an answer may ask in all checks of an exercise
MOST_ERRORS = 10_000  # of one check's that the answer may hear of


class Remote(Peer):
    """Asks an answer's process. `answers` gives checks the learner's functions."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, 1)
        self.opened = False  # whether the check that runs looks at what was done to its inputs
        self.questions = 0
        self._anew()

    def _anew(self) -> None:
        self.things: dict[int, Any] = {}  # handle -> what was handed over
        self.handles: dict[int, int] = {}  # its id -> handle
        self.raised: list[BaseException] = []
        self.final: BaseException | None = None

    def begin(self, opened: bool) -> None:
        """A new check: nothing is shared any more."""
        self.ask("forget", [])
        self.forget()
        self._anew()
        self.opened = opened

    def cells(self, cells: list[dict[str, str]], names: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
        """Run the cells there; return what stopped, and why a name cannot be called (or "")."""
        _, message = self.ask("cells", [cells, list(names)])
        try:
            self.check(message)
        except MemoryError:
            raise
        except Exception:
            raise Broken("cells that could not be run") from None
        told, usable = message.get("told"), message.get("callable")
        good = isinstance(told, list) and all(isinstance(line, str) for line in told) and isinstance(usable, dict)
        if not good or not all(isinstance(usable.get(name), str) for name in names):
            raise Broken("an account of the cells that is none")
        return [line[:400] for line in told[:20]], {name: usable[name][:200] for name in names}

    def answers(self, usable: Mapping[str, str]) -> dict[str, Answer]:
        """The learner's functions, by name."""
        return {name: Answer(self, name, problem) for name, problem in usable.items()}

    def call(
        self, name: str, inputs: tuple, options: dict, meter: list[Any] | None = None, times: int = 0
    ) -> tuple[Any, int]:
        """What the learner's function gives, and the meter's count. Raises what it raised, by type."""
        answer, message = self.ask("call", [name, self.opened, meter, times], [list(inputs), options], self.opened)
        try:
            self.check(message)
        finally:
            self.tensors.open.clear()
        with reading():
            self._swap(message.get("swapped"))
        count = message.get("count", 0)
        if type(count) is not int or not 0 <= count < 2**62:
            raise Broken("a count that is no number")
        return answer, count

    def check(self, message: dict[str, Any]) -> None:
        if self.final is not None:
            raise self.final
        if "error" in message:
            with reading():
                error = self._error(message["error"])
            raise error

    def _error(self, told: Any) -> BaseException:
        """The error that the learner's code ended in."""
        if not isinstance(told, dict) or not isinstance(told.get("types"), list):
            raise Broken("an error without its parts")
        if "large" in told:
            large = str(told["large"])[:100]
            return Wrong(f"what the function gives is too large or too deep to be looked at: {large}")
        origin = told.get("origin")
        if type(origin) is int and 0 <= origin < len(self.raised):
            error: BaseException = self.raised[origin]
        else:
            error = _like([str(kind)[:60] for kind in told["types"][:12]], str(told.get("text", ""))[:2000])
        word = lambda key, most: str(told.get(key, ""))[:most]  # noqa: E731
        line = told.get("line")
        place = f"{word('name', 60)}, line {line}" if type(line) is int else ""
        error.told = Told(place, word("name", 60), word("first", 200), word("inputs", 600))
        return error

    def serve(self, what: str, plain: list[Any], value: Any) -> tuple[Any, dict[str, Any]]:
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise Broken(f"it asked more than {MOST_QUESTIONS:,} questions")
        if what == "slopes" and isinstance(value, Tensor) and plain[0] in self.tensors.twins:
            return self.own_slopes(plain[0], plain[1], value), {}
        if what != "method" or type(value) is not list or len(value) != 2:
            raise Broken("an unknown question")
        handle, method = plain
        inputs, options = value
        thing = self.things.get(handle) if type(handle) is int else None
        if thing is None or type(inputs) is not list or type(options) is not dict or method not in _allowed(thing):
            raise Broken("a question to what was not handed over")
        if not all(type(name) is str for name in options):
            raise Broken("an option without a name")
        if self.final is not None:
            raise self.final
        return getattr(thing, method)(*inputs, **options), {}

    def failed(self, error: BaseException) -> Any:
        if isinstance(error, Wrong):
            self.final = error  # whatever the learner's code makes of it
        if len(self.raised) >= MOST_ERRORS:
            raise Broken(f"it asked for more than {MOST_ERRORS:,} errors")
        self.raised.append(_bare(error))
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        text = "" if isinstance(error, Wrong) else str(error)[:500]
        return [kinds, text, len(self.raised) - 1]

    def _swap(self, swapped: Any) -> None:
        """Parameters of chains that the learner's code put others in the place of."""
        if swapped is None:
            return
        if type(swapped) is not list or len(swapped) > 100:
            raise Broken("parameters are a list")
        for handle, name in swapped:
            chain = self.things.get(handle) if type(handle) is int else None
            if not isinstance(chain, nn.Sequential) or name not in dict(chain.named_parameters()):
                raise Broken("a parameter of nothing")
            place, _, word = name.rpartition(".")
            old = chain.get_parameter(name)
            chain.get_submodule(place).register_parameter(word, nn.Parameter(old.detach().clone()))

    # values -----------------------------------------------------------------------------------------------------------
    def pack_special(self, packer: Pack, value: Any, depth: int) -> Any:
        if type(value) is Architecture:
            return ["architecture", value.to_json()]
        for base in BASES[1:]:  # of a type of the learner's own, and the check passes it on
            if isinstance(value, base):
                return packer.value(below(base, value), depth + 1)
        if isinstance(value, Foreign | GeneratorType):
            raise Wrong(f"a function gives a {type(value).__name__}, which no other function can be given")
        handle = self.handles.setdefault(id(value), len(self.things) + 1)
        self.things[handle] = value
        if isinstance(value, Choices):
            fields = {name: packer.value(getattr(value, name), depth + 1) for name in value.__dataclass_fields__}
            return ["choices", handle, fields]
        if isinstance(value, MobileConformerSpace):
            return ["space", handle, packer.value(value.choices, depth + 1)]
        if isinstance(value, torch.optim.Optimizer):
            params = [p for group in value.param_groups for p in group["params"]]
            rate = value.param_groups[0]["lr"]
            return ["optimizer", handle, self._twins(packer, enumerate(params)), rate]
        if isinstance(value, nn.Sequential):
            return ["layers", handle, self._twins(packer, value.named_parameters()), *self._recipe(packer, value)]
        if isinstance(value, nn.Module):
            twins = self._twins(packer, value.named_parameters())
            return ["module", handle, twins, list(getattr(value, "HANDED", ()))]
        handed = getattr(type(value), "HANDED", None)
        if handed is not None:
            return ["object", handle, type(value).__name__, list(handed)]
        if callable(value):
            return ["function", handle, getattr(value, "__name__", type(value).__name__)]
        raise TypeError(f"a {type(value).__name__} cannot be handed over; give its class a HANDED")

    def _twins(self, packer: Pack, named: Any) -> dict[str, Any]:
        return {str(name): self.tensors.pack(packer, tensor, True) for name, tensor in named}

    def _recipe(self, packer: Pack, chain: nn.Sequential) -> tuple[list[Any], list[Any]]:
        parts, hooks = [], []
        for place, layer in enumerate(chain):
            name = type(layer).__name__
            if name not in LAYERS:
                raise TypeError(f"a layer {name} cannot be handed over; there are {', '.join(LAYERS)}")
            sizes = [layer.in_features, layer.out_features, layer.bias is not None] if name == "Linear" else []
            parts.append([name, *sizes])
            if layer._forward_pre_hooks:
                hooks.append([place, [packer.value(hook) for hook in layer._forward_pre_hooks.values()]])
        return parts, hooks

    def unpack_special(self, unpacker: Unpack, kind: str, node: list[Any], depth: int) -> Any:
        if kind == "architecture":
            text = str(node[1])[:20_000]
            try:
                return _architecture(text)
            except BadInput:
                return foreign("Architecture", text[:200])
        if kind == "mine":
            handle, *place = node[1] if type(node[1]) is list else [node[1]]
            thing = self.things.get(handle) if type(handle) is int else None
            if thing is None:
                raise Broken("a thing that was not handed over")
            return thing[place[0]] if place and isinstance(thing, nn.Sequential) and type(place[0]) is int else thing
        return super().unpack_special(unpacker, kind, node, depth)


class Answer:
    """A learner's function; see `marking.Answer`, which has the same face in one process."""

    def __init__(self, remote: Remote, name: str, problem: str) -> None:
        self._remote, self._name, self._problem = remote, name, problem

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self._ask(inputs, options)[0]

    def metered(self, unit: str, most: int, *inputs: Any) -> tuple[Any, int]:
        return self._ask(inputs, {}, [unit, most])

    def often(self, times: int, *inputs: Any) -> list[Any]:
        found, _ = self._ask(inputs, {}, None, times)
        if type(found) is not list or len(found) != times:
            raise Broken("results of some other number of calls")
        return found

    def chance(self) -> str:
        found = self._remote.ask("chance", ["look"])[0]
        if type(found) is not str:
            raise Broken("a state that is no text")
        return found

    def stir(self) -> None:
        self._remote.ask("chance", ["stir"])

    def _ask(
        self, inputs: tuple, options: dict, meter: list[Any] | None = None, times: int = 0
    ) -> tuple[Any, int]:
        if self._problem:
            raise Unusable(self._problem)
        return self._remote.call(self._name, inputs, options, meter, times)


@lru_cache(5000)
def _architecture(text: str) -> Architecture:
    """An architecture; a search asks for the same ones again and again."""
    return Architecture.from_json(text)


def _allowed(thing: Any) -> tuple[str, ...]:
    """What may be called of a thing that was handed over."""
    if isinstance(thing, torch.optim.Optimizer):
        return ("step",)
    handed = tuple(getattr(type(thing), "HANDED", ()))
    return (*handed, "__call__") if isinstance(thing, nn.Module) or not handed else handed


def _bare(error: BaseException) -> BaseException:
    """The error without the frames that it came through, which hold all that the question held."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _like(kinds: list[str], text: str) -> BaseException:
    """An error like the learner's: the nearest type of Python's own, under the name that it had there. Never
    StopIteration itself, which would end a loop of the check's.
    """
    found = (getattr(builtins, kind, None) for kind in kinds if kind not in ("StopIteration", "StopAsyncIteration"))
    base = next((kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception | SystemExit)), None)
    try:
        plain = (base or Exception)(text)
    except TypeError:  # some want more than a text
        plain = Exception(text)
    base = type(plain)
    name = kinds[0] if kinds and kinds[0].isidentifier() else base.__name__
    return plain if name == base.__name__ else type(name, (base,), {})(text)
