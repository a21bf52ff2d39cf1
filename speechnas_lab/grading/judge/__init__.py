"""Mark strangers' answers: the learner's code runs in a sandbox, the checks and what they know stay outside it."""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Judge": ".judging",
        "Job": ".judging",
        "JudgeLimits": ".sandbox",
        "Graded": "..graded",
    },
)
