"""What is copied into the sandbox: nothing here knows an answer, a check or an expected value.

`wire`, `values`, `tensors` and `peer` (what travels, and how) are used on both sides; `template` and `calls` start and
shut in an answer's process; `worker` and `stand_ins` run beside the learner's code; `frames`, `cells` and `meters` also
serve a learner's own check.
"""
