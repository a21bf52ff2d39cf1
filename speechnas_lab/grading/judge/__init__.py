"""Mark strangers' answers: the learner's code runs in a sandbox, the checks and what they know stay outside it.

Read in this order: `judging` (jobs in, marks out), `bench` (where the checks run), `sandbox`, `inside.template` and
`inside.calls` (where an answer runs), `running` (its limits), `views` (what it sees), `remote` (the checks' side of the
conversation), `inside.peer`, `inside.values` and `inside.tensors` (what travels, and how).
"""

from ..._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Judge": ".judging",
        "Job": ".judging",
        "JudgeLimits": ".running",
        "Graded": "..graded",
    },
)
