"""Tensors that both sides hold: one here, its twin there. A twin may be read, changed, learnt from.

Values and gradients that changed since the last message travel with the next one (`Tensors.changes`). A tensor that was
computed from twins keeps its graph: its `Far` node asks the other side for slopes, and may itself be differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .values import Packer, Unpacker
from .wire import Broken

DTYPES = {str(kind)[6:]: kind for kind in (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.bool,
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)}  # fmt: skip
MOST_LEAVES, MOST_NODES = 1000, 100_000  # of one graph
MOST_HELD, EACH = 2**28, 4000  # bytes of all tensors that are shared; each costs some beside its numbers
RECENT = 64  # twins of which a result may be a view
Slopes = Callable[[int, Tensor], list[Tensor | None]]


class Twin:
    """A shared tensor, and what of it the other side knows."""

    def __init__(self, handle: int, tensor: Tensor) -> None:
        self.handle, self.tensor = handle, tensor
        self.value, self.grad = raw(tensor), None

    def learnt(self) -> None:
        """Now the other side knows all."""
        self.value, self.grad = raw(self.tensor), _raw_grad(self.tensor)


class Far(torch.autograd.Function):
    """A tensor of the other side, as a function of twins."""

    @staticmethod
    def forward(ctx: Any, slopes: Slopes, handle: int, value: Tensor, *leaves: Tensor) -> Tensor:
        ctx.slopes, ctx.handle = slopes, handle
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return (None, None, None, *ctx.slopes(ctx.handle, grad))


class Tensors:
    """The twins of one side. sign: 1 or -1, of the handles that this side gives."""

    def __init__(self, sign: int, slopes: Slopes) -> None:
        self.sign, self.slopes = sign, slopes
        self.forget()

    def forget(self) -> None:
        """No tensor is shared any more."""
        self.twins: dict[int, Twin] = {}
        self.places: dict[int, int] = {}  # id of a tensor -> handle
        self.open: dict[int, None] = {}  # handles of those whose changes count
        self.given = getattr(self, "given", 0)
        self.held = 0  # bytes, as the other side may make ever more of them

    def find(self, tensor: Tensor) -> Twin | None:
        twin = self.twins.get(self.places.get(id(tensor), 0))
        return twin if twin is not None and twin.tensor is tensor else None

    def keep(self, tensor: Tensor, handle: int | None = None) -> Twin:
        """Share a tensor, under a new handle where none is given."""
        if handle is None:
            self.given += 1
            handle = self.sign * self.given
        self.held += 2 * tensor.nbytes + EACH
        if self.held > MOST_HELD:
            raise Broken("there are too many tensors")
        self.twins[handle] = twin = Twin(handle, tensor)
        self.places[id(tensor)] = handle
        return twin

    def pack(self, packer: Packer, tensor: Tensor, opened: bool = False) -> Any:
        """JSON for a tensor."""
        if tensor.dtype not in DTYPES.values() or tensor.device.type != "cpu":  # on "meta" it has no numbers
            return ["foreign", "Tensor", f"a tensor of {str(tensor.dtype)[6:30]} on {tensor.device.type}", None]
        if type(tensor) not in (Tensor, nn.Parameter):
            tensor = torch.Tensor.as_subclass(tensor, Tensor).detach()
        twin = self.find(tensor)
        if twin is not None:
            if opened:
                self.open[twin.handle] = None
            if raw(tensor) == twin.value:
                return ["twin", twin.handle, opened]
            if self.sign > 0:  # the judge wrote into its own: the twin there is to follow
                twin.learnt()
                return ["tensor", twin.handle, payload(packer, tensor), 0, None, None, opened, False]
        leaves = None
        if twin is not None and tensor.is_leaf:  # written into, where changes do not count: other numbers, same slopes
            leaves = [["twin", twin.handle, False]]
        twin = self.keep(tensor)
        if opened:
            self.open[twin.handle] = None
        if tensor.grad_fn is not None:
            leaves = [self.pack(packer, leaf, self.sign > 0) for leaf in leaves_of(tensor)]
        needs = 0 if not tensor.requires_grad else 2 if isinstance(tensor, nn.Parameter) else 1
        return ["tensor", twin.handle, payload(packer, tensor), needs, leaves, self._window(tensor), opened,
                tensor.layout is not torch.strided]  # fmt: skip

    def _window(self, tensor: Tensor) -> list[Any] | None:
        """[handle, size, stride, offset] where the tensor is a view of a twin's memory."""
        if self.sign > 0 or tensor.layout is not torch.strided or not tensor.numel():
            return None
        place = tensor.untyped_storage().data_ptr()
        for twin in islice(reversed(self.twins.values()), RECENT):
            base = twin.tensor
            if base is tensor or base.layout is not torch.strided or base.dtype != tensor.dtype:
                continue
            same = base.untyped_storage().data_ptr() == place and base.is_contiguous()
            if same and (not tensor.requires_grad or tensor._base is base) and twin.handle > 0:
                offset = tensor.storage_offset() - base.storage_offset()
                return [twin.handle, list(tensor.shape), list(tensor.stride()), offset]
        return None

    def unpack(self, unpacker: Unpacker, node: list[Any]) -> Tensor:
        """The tensor that `pack` described there."""
        if node[0] == "twin":
            twin = self.twins.get(node[1])
            if twin is None:
                raise Broken("a tensor that nobody shares")
            if node[2] is True and self.sign < 0:
                self.open[twin.handle] = None
            return twin.tensor
        _, handle, content, needs, leaves, window, opened, sparse = node
        if type(handle) is not int:
            raise Broken("a tensor without a handle")
        value = restored(unpacker, content)
        if handle in self.twins and self.sign < 0:
            with torch.no_grad():
                self.twins[handle].tensor.data.copy_(value)
            tensor = self.twins[handle].tensor
            self.twins[handle].learnt()
        elif (handle > 0) == (self.sign > 0):
            raise Broken("a tensor under a handle of this side")
        else:
            tensor = self._made(unpacker, value, handle, needs, leaves, window, sparse)
            self.keep(tensor, handle)
        if opened is True and self.sign < 0:
            self.open[handle] = None
        return tensor

    def _made(self, unpacker: Unpacker, value: Tensor, handle: int, needs: int, leaves: Any, window: Any,
              sparse: Any) -> Tensor:  # fmt: skip
        view = self._looked(window, value) if window else None
        if view is not None:
            return view if needs else view.detach()
        if sparse is True:
            return value.to_sparse()
        if not needs:
            return value
        if not (value.is_floating_point() or value.is_complex()):
            raise Broken("whole numbers have no slope")
        if leaves is None:
            return nn.Parameter(value) if needs == 2 else value.requires_grad_()
        known = [self.unpack(unpacker, leaf) for leaf in leaves[:MOST_LEAVES]]
        known = [leaf for leaf in known if leaf.requires_grad]
        return Far.apply(self.slopes, handle, value, *known) if known else value.requires_grad_()

    def _looked(self, window: list[Any], value: Tensor) -> Tensor | None:
        """The same window onto this side's twin, if it shows what it is said to show."""
        handle, size, stride, offset = window
        twin = self.twins.get(handle)
        whole = [*size, *stride, offset]
        same = tuple(size) == value.shape and len(size) == len(stride)
        if twin is None or not same or any(type(n) is not int or n < 0 for n in whole):
            return None
        base = twin.tensor
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if not base.is_contiguous() or last >= base.numel() or base.dtype != value.dtype:
            return None
        view = base.as_strided(size, stride, base.storage_offset() + offset)
        return view if raw(view) == raw(value) else None

    def changes(self, packer: Packer) -> list[Any]:
        """What the other side has not heard of the open twins: [handle, values or None, gradient, "none" or None]."""
        found = []
        for handle in self.open:
            twin = self.twins[handle]
            value = None if raw(twin.tensor) == twin.value else payload(packer, twin.tensor)
            grad = None
            if _raw_grad(twin.tensor) != twin.grad:
                grad = "none" if twin.tensor.grad is None else payload(packer, twin.tensor.grad)
            if value is not None or grad is not None:
                found.append([handle, value, grad])
                twin.learnt()
        return found

    def heed(self, unpacker: Unpacker, changes: list[Any]) -> None:
        """Take over what has changed there."""
        for handle, value, grad in changes:
            if handle not in self.open:
                raise Broken("a change of a tensor that is not open")
            twin = self.twins[handle]
            if value is not None:
                new = restored(unpacker, value)
                if self.sign > 0 and (new.shape != twin.tensor.shape or new.dtype != twin.tensor.dtype):
                    raise Broken("a tensor that was handed over has another shape or type afterwards")
                if new.shape == twin.tensor.shape and new.dtype == twin.tensor.dtype:
                    twin.tensor.data.copy_(new)
                else:
                    twin.tensor.data = new
            if grad is not None:
                twin.tensor.grad = None
                if grad != "none":
                    twin.tensor.grad = restored(unpacker, grad).to(twin.tensor.dtype).reshape(twin.tensor.shape)
            twin.learnt()


def leaves_of(tensor: Tensor) -> list[Tensor]:
    """The tensors that want slopes at the far ends of a graph."""
    seen, found, waiting = set(), {}, [tensor.grad_fn]
    while waiting and len(seen) < MOST_NODES and len(found) < MOST_LEAVES:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor):
            found[id(leaf)] = leaf
        waiting += [next_one for next_one, _ in node.next_functions]
    return list(found.values())


def raw(tensor: Tensor) -> bytes:
    """The numbers of a tensor as bytes, in the order of its places."""
    plain = tensor.detach()
    plain = plain.to_dense() if plain.layout is not torch.strided else plain
    plain = plain.resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().tobytes()


def _raw_grad(tensor: Tensor) -> bytes | None:
    grad = tensor.grad if tensor.is_leaf else None
    return None if grad is None else raw(grad)


def payload(packer: Packer, tensor: Tensor) -> list[Any]:
    """[type, shape, begin, count] of a tensor's numbers, put into the packer's block."""
    return [str(tensor.dtype)[6:], list(tensor.shape), *packer.raw(raw(tensor))]


def restored(unpacker: Unpacker, content: list[Any]) -> Tensor:
    """A fresh tensor out of `payload`."""
    name, shape, begin, count = content
    if name not in DTYPES:
        raise Broken("a tensor of no known type")
    flat = unpacker.numbers("|u1", [count], begin, count)
    kind = DTYPES[name]
    if any(type(n) is not int or n < 0 for n in shape) or int(np.prod(shape, dtype=object)) * kind.itemsize != count:
        raise Broken("a tensor has not the size that its shape says")
    if kind is torch.bool:
        flat = flat.astype(bool)
        return torch.from_numpy(flat).reshape(shape)
    return torch.from_numpy(flat).view(kind).reshape(shape) if count else torch.empty(shape, dtype=kind)
