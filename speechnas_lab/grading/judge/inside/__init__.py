"""What is copied into the sandbox: nothing here knows an answer, a check or an expected value.

`wire` (how values travel) and `values` (which may) are used on both sides; `worker`, `stand_ins` and `gradients` run
beside the learner's code; `frames`, `cells` and `meters` also serve a learner's own check.
"""
