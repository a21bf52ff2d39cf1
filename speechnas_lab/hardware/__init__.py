"""How fast, how big, how hungry: devices, profiling, latency prediction, export.

Read in this order: `timing` (one honest clock), `graphs` (an architecture as ONNX), `profiling` (many architectures),
`predictor` (the rest, unmeasured), `penalty` (latency inside a loss), `export`, `footprint` (what a user gets).
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
        "quick_graph": ".graphs",
        "session": ".graphs",
        "Profile": ".profiling",
        "Row": ".profiling",
        "profile": ".profiling",
        "LatencyPredictor": ".predictor",
        "latency_penalty": ".penalty",
        "LatencyTable": ".penalty",
        "export_onnx": ".export",
        "Exported": ".export",
        "ExportFailed": ".export",
        "quantize_dynamic": ".export",
        "stored_bytes": ".export",
        "verify": ".export",
        "real_time_factor": ".footprint",
        "SpeedReport": ".footprint",
        "peak_memory": ".footprint",
    },
)
