"""Does a model stay as fast as it was?

`detector` (the statistics), `baseline` (how fast it was), `timings` (what comes in), `monitor` (one alarm for each
change), `watch` (a run, kept on disk by `history`), `words` and `page` (what is told).
"""
