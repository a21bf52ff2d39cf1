"""One training loop, one recipe, evaluation."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "Recipe": ".recipe",
        "train": ".loop",
        "TrainingFailed": ".loop",
        "evaluate": ".evaluation",
        "Heard": ".evaluation",
        "Batch": ".batches",
        "BatchPlan": ".batches",
        "collate": ".batches",
        "in_length_order": ".batches",
        "FrameHead": ".losses",
        "ctc_loss": ".losses",
        "recognition_loss": ".losses",
        "hessian_vector_product": ".curvature",
        "top_eigenvalue": ".curvature",
        "hutchinson_trace": ".curvature",
        "twice_differentiable": ".curvature",
        "Scheme": ".quantised",
        "fake_quantise": ".quantised",
        "fake_quantised": ".quantised",
        "QuantisedLinear": ".quantised",
        "in_float": ".quantised",
        "observe": ".quantised",
        "tune_quantised": ".qat",
        "Indicator": ".indicators",
        "INDICATORS": ".indicators",
        "score": ".indicators",
    },
)
