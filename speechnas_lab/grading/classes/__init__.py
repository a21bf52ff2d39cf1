"""Grade a class: `speechnas grade CLASS_DIR --out DIR`.

Read in this order: `collect` (whose notebook is which), `run` (what is graded), `marks` (what a mark is made of), then
what is written: `tables`, `gradebook`, `gradescope`, `feedback`, `report`.
"""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "grade_class": ".run",
        "Settings": ".run",
        "Student": ".people",
        "gather": ".collect",
        "Store": ".store",
    },
)
