"""How long what was not measured takes: predictors, their intervals, other devices, latency inside a loss.

Read `predictor` first, then `lines` and `forest`, of which it is made, `intervals`, `few_shot`; then `penalty` and
`multiplier`.
"""
