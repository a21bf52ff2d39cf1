"""A fitted predictor as a file that holds no code: `about.json` with the versions, and the fitted parts by skops."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import sklearn

from ...errors import BadInput
from ...files import write_bytes
from .few_shot import Moved
from .forest import check_trees
from .intervals import Range
from .lines import Fitted, Line

if TYPE_CHECKING:
    from ...space import MobileConformerSpace
    from .predictor import LatencyPredictor

AGAIN = "fit it again on its profile and save it"
_TRUSTED = ["sklearn.tree._tree.Tree"]  # arrays that C code follows without looking; `check_trees` looks


def write(predictor: LatencyPredictor, path: str | os.PathLike) -> None:
    """Whole or not at all."""
    import skops.io

    settings = {name: getattr(predictor, name) for name in ("kind", "trees", "random_state")}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.json", json.dumps({"scikit-learn": sklearn.__version__, **settings}))
        archive.writestr("parts.skops", skops.io.dumps(_parts(predictor)))
    write_bytes(Path(path), content.getvalue())


def read(cls: type[LatencyPredictor], path: str | os.PathLike, space: MobileConformerSpace | None) -> LatencyPredictor:
    """See `LatencyPredictor.load`."""
    import skops.io

    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read("about.json"))
            stored = archive.read("parts.skops")
        version = str(about["scikit-learn"])
        predictor = cls(about["kind"], space, trees=about["trees"], random_state=about["random_state"])
    except FileNotFoundError:
        raise BadInput(f"there is no predictor file {name}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
        raise BadInput(f"{name} is not a saved predictor, or cut short ({error}); {AGAIN}") from None
    if version.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        here = f"saved with scikit-learn {version}, here is {sklearn.__version__}"
        raise BadInput(f"{name} was {here}; {AGAIN}, or install scikit-learn {version}")
    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=stored)) - set(_TRUSTED))
        if unknown:
            raise BadInput(f"{name} holds types that no predictor has ({unknown[0]}); {AGAIN}")
        _restore(predictor, skops.io.load(io.BytesIO(stored), trusted=_TRUSTED))
    except BadInput:
        raise
    except Exception as error:  # skops passes on whatever its parts raise
        raise BadInput(f"{name} is not a saved predictor ({type(error).__name__}); {AGAIN}") from error
    return predictor


def _parts(predictor: LatencyPredictor) -> dict[str, Any]:
    """Plain values, arrays, scikit-learn's own estimators. A moved predictor's parts hold those of the known one."""
    return {
        "columns": predictor.n_features_in_,
        "relative": predictor.relative_,
        "residuals": predictor.residuals_,
        "range": predictor.range_._asdict(),
        "fitted": _fitted_parts(predictor.fitted_),
    }


def _fitted_parts(fitted: Fitted) -> dict[str, Any]:
    line = fitted.line._asdict()
    if isinstance(fitted.line, Moved):
        line["known"] = _fitted_parts(fitted.line.known)
    return {"line": line, "correction": fitted.correction, "relative": fitted.relative}


def _restore(predictor: LatencyPredictor, parts: dict[str, Any]) -> None:
    predictor.n_features_in_, predictor.relative_ = int(parts["columns"]), bool(parts["relative"])
    predictor.residuals_, predictor.range_ = np.asarray(parts["residuals"]), Range(**parts["range"])
    predictor.fitted_ = _fitted(parts["fitted"], predictor.n_features_in_)


def _fitted(parts: dict[str, Any], columns: int) -> Fitted:
    check_trees(parts["correction"], columns)
    line = parts["line"]
    whole = Moved(**{**line, "known": _fitted(line["known"], columns)}) if "known" in line else Line(**line)
    return Fitted(whole, parts["correction"], parts["relative"])
