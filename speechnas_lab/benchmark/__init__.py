"""Our own tabular benchmark: two small spaces, each architecture of them trained, tested and timed here.

Read in this order: `spaces` (what is in it), `build` and `facts` (how it was made), `table` (how to ask it), `compare`
(every strategy on it), and CARD.md (what it is good for, and what not).
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "macro_space": ".spaces",
        "cell_space": ".spaces",
        "members": ".spaces",
        "SPACES": ".spaces",
        "Table": ".table",
        "Row": ".table",
        "Run": ".table",
        "describe": ".card",
        "agreement": ".card",
    },
)
