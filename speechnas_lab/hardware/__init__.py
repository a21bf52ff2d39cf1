"""How fast, how big, how hungry: devices, profiling, latency prediction, export.

Read in this order: `timing` (one honest clock), `graphs` (an architecture as ONNX), `device` and `runtimes` (what runs
it), `profiling` with `levels` and `conditions` (many architectures), `kit` (the same on a machine far away),
`predictor` (the rest, unmeasured), `penalty` (latency inside a loss), `export`, `quantise` (fewer bits), `footprint`
(what a user gets).
"""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Device": ".device",
        "this_machine": ".device",
        "at_hand": ".device",
        "find_device": ".device",
        "RUNTIMES": ".device",
        "Timing": ".timing",
        "measure": ".timing",
        "Conditions": ".conditions",
        "quick_graph": ".graphs",
        "session": ".graphs",
        "Sizes": ".runtimes",
        "open_on": ".runtimes",
        "threads_kept": ".runtimes",
        "Profile": ".profiling",
        "Row": ".profiling",
        "profile": ".profiling",
        "LatencyPredictor": ".predictor",
        "choose_samples": ".few_shot",
        "Extrapolation": ".intervals",
        "latency_penalty": ".penalty",
        "LatencyTable": ".penalty",
        "Multiplier": ".multiplier",
        "export_onnx": ".export",
        "Exported": ".export",
        "ExportFailed": ".export",
        "quantize_dynamic": ".quantise",
        "quantize_static": ".quantise",
        "store_half": ".quantise",
        "stored_bytes": ".export",
        "verify": ".export",
        "real_time_factor": ".footprint",
        "SpeedReport": ".footprint",
        "peak_memory": ".footprint",
        "Monitor": ".drift_monitor",
        "Change": ".drift_monitor",
        "Reference": ".drift",
        "cusum": ".drift",
    },
)
