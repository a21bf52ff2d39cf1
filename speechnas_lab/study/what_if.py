"""One widget: controls above, a picture below that follows them. What is drawn first stays where widgets do not work.

    explore(lambda kernel, width: [bundle(picture(kernel, width), "...")], kernel=Menu("kernel", {"3": 3, "7": 7}))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.display import display

from .pictures import Bundle

Draw = Callable[..., Sequence[Bundle]]


@dataclass(frozen=True)
class Slider:
    """A number from `low` to `high` in steps of `step`; `value` is where it starts."""

    label: str
    low: float
    high: float
    step: float
    value: float

    def start(self) -> float:
        return self.value

    def widget(self, ipywidgets: Any) -> Any:
        whole = all(isinstance(number, int) for number in (self.low, self.high, self.step, self.value))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(self.value, min=self.low, max=self.high, step=self.step, description=self.label, **_LOOK)

    def read(self, chosen: float) -> float:
        return chosen


@dataclass(frozen=True)
class Menu:
    """One of several things, by their names; the first is where it starts."""

    label: str
    choices: Mapping[str, Any]

    def start(self) -> Any:
        return next(iter(self.choices.values()))

    def widget(self, ipywidgets: Any) -> Any:
        return ipywidgets.Dropdown(options=list(self.choices), description=self.label, **_LOOK)

    def read(self, chosen: str) -> Any:
        return self.choices[chosen]


_LOOK: dict[str, Any] = {"layout": {"width": "26em"}, "style": {"description_width": "10em"}}


def explore(draw: Draw, **controls: Slider | Menu) -> None:
    """Show `draw(**values)`, a fixed number of bundles, and draw it anew whenever a control moves.

    Each control stands under the name of an argument of `draw`. Without ipywidgets a line says what is missing.
    """
    boxes = {}
    try:
        import ipywidgets
    except ImportError:
        print("The controls need ipywidgets, which is not installed: pip install ipywidgets. Their first view follows.")
    else:
        boxes = {name: control.widget(ipywidgets) for name, control in controls.items()}
        names = ", ".join(control.label for control in controls.values())
        panel = ipywidgets.VBox(list(boxes.values()))
        words = {"text/plain": f"{names} (can be changed while the notebook runs)"}
        display({**panel._repr_mimebundle_(), **words}, raw=True)
    drawn = {name: control.start() for name, control in controls.items()}
    handles = [display(part, raw=True, display_id=True) for part in draw(**drawn)]
    one_at_a_time = threading.Lock()  # JupyterLab may deliver each control's moves in a thread of its own

    def redraw(change: object = None) -> None:
        nonlocal drawn
        with one_at_a_time:
            values = {name: controls[name].read(box.value) for name, box in boxes.items()}
            if values != drawn:  # else a later move has brought this picture already
                drawn = values
                for handle, part in zip(handles, draw(**values), strict=True):
                    handle.update(part, raw=True)

    for box in boxes.values():
        if hasattr(box, "continuous_update"):
            box.continuous_update = False  # draw once the hand lets go
        box.observe(redraw, "value")
