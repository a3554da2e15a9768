"""The STAC item beside an exported segmenter, in the form of the Machine Learning Model extension.

Source: STAC 1.1.0 with the extensions mlm 1.5.2 (https://github.com/stac-extensions/mlm), classification 2.0 and
file 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hectares import __version__
from hectares.core.scaling import Scaling
from hectares.core.spec import SegmenterSpec
from hectares.io.stac import SHA256, UNKNOWN_TIMES, class_entry

_EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/v{version}/schema.json"
    for name, version in (("mlm", "1.5.2"), ("classification", "2.0.0"), ("file", "2.1.0"))
)
_NO_TIME = "A model has no date of its own; start and end are placeholders that STAC demands."


def model_item(
    name: str,
    spec: SegmenterSpec,
    file: tuple[str, str, int],
    *,
    facts: Mapping[str, str],
    settings: Mapping[str, Any],
    deepness_px: int | None = None,
) -> dict[str, Any]:
    """Give the item of an ONNX file, given as name, SHA-256 and bytes.

    `facts` name the releases of the libraries that trained it, `settings` are those of the training. A file for
    Deepness takes squares of `deepness_px` of bytes divided by 255, and gives scores.
    """
    onnx, sha256, size = file
    torch = re.match(r"\d+\.\d+\.\d+", facts.get("torch", ""))
    weights = str(settings.get("weights", "none"))
    properties: dict[str, Any] = {
        "title": f"Segmenter {name}",
        "description": f"Gives each pixel one of {', '.join(spec.legend.names)}. {_NO_TIME}",
        **UNKNOWN_TIMES,
        "bands": [_band(spec, number) for number in range(len(spec.bands))],
        "mlm:name": _model_name(name),
        "mlm:architecture": " ".join(str(part) for part in (spec.network, spec.options.get("encoder")) if part),
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:pretrained": weights != "none",
        "mlm:pretrained_source": None if weights == "none" else weights,
        "mlm:accelerator": None,
        "mlm:input": [_input(spec) if deepness_px is None else _bytes(spec, deepness_px)],
        "mlm:output": [_output(spec, deepness_px)],
        "hectares:version": __version__,
    }
    if torch:
        properties["mlm:framework_version"] = torch.group()
    hyperparameters = {key: value for key, value in settings.items() if value is not None}
    if hyperparameters:
        properties["mlm:hyperparameters"] = hyperparameters
    asset = {
        "href": f"./{onnx}",
        "type": "application/octet-stream; application=onnx",
        "title": "The network in ONNX",
        "roles": ["mlm:model", "mlm:weights"],
        "mlm:artifact_type": "torch.onnx.export",
        "file:checksum": SHA256 + sha256,
        "file:size": size,
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(_EXTENSIONS),
        "id": name,
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {"model": asset},
    }


def _model_name(name: str) -> str:
    """Give a name of the letters that the extension allows.

    >>> _model_name("2024 Äcker_v1!")
    'hectares 2024 cker_v1'
    """
    kept = re.sub(r"[^a-zA-Z0-9_.\- ]", "", name).strip("_.- ")
    return kept if re.fullmatch(r"[a-zA-Z].+[a-zA-Z0-9]", kept) else f"hectares {kept or 'model'}"


def _band(spec: SegmenterSpec, number: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": spec.bands[number], "data_type": spec.dtype}
    if spec.gsd_m is not None:
        found["gsd"] = spec.gsd_m
    return found


def _input(spec: SegmenterSpec) -> dict[str, Any]:
    multiple = f"Height and width are multiples of {spec.stride}; zeros fill them up below and to the right."
    cut = f" {spec.crop} mirrored pixels are put around the image first." if spec.crop else ""
    trained = f" It was trained on squares of {spec.tile_px} px."
    return {
        "name": "image",
        "description": multiple + cut + trained,
        "bands": list(spec.bands),
        "input": {
            "shape": [-1, len(spec.bands), -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": None if spec.scaler.by_scene else [_scaled(spec.scaler, n) for n in range(len(spec.bands))],
        "resize_type": None,
        "pre_processing_function": _by_scene() if spec.scaler.by_scene else None,
    }


def _bytes(spec: SegmenterSpec, side: int) -> dict[str, Any]:
    return {
        "name": "pixels",
        "description": "Bytes divided by 255; the file scales them further, as the plugin Deepness of QGIS wants it.",
        "bands": list(spec.bands),
        "input": {
            "shape": [-1, len(spec.bands), side, side],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": [{"type": "scale", "value": 255}],
        "resize_type": None,
        "pre_processing_function": None,
    }


def _scaled(scaling: Scaling, number: int) -> dict[str, Any]:
    """Give what is done to the values of a band.

    >>> _scaled(Scaling("percentile", (20.0,), (180.0,), (True,)), 0)
    {'type': 'min-max', 'minimum': 20.0, 'maximum': 200.0, 'comment': 'then clipped to 0 and 1'}
    """
    subtract, divide = scaling.subtract[number], scaling.divide[number]
    if not scaling.clip[number]:
        return {"type": "z-score", "mean": subtract, "stddev": divide}
    return {
        "type": "min-max",
        "minimum": subtract,
        "maximum": subtract + divide,
        "comment": "then clipped to 0 and 1",
    }


def _by_scene() -> dict[str, str]:
    what = "each band of a scene from its own percentiles 2 and 98 to 0 and 1, clipped"
    return {"format": "text", "expression": what}


def _output(spec: SegmenterSpec, deepness_px: int | None) -> dict[str, Any]:
    side = -1 if deepness_px is None else deepness_px
    meaning = "sigmoid gives the score of each class" if spec.multilabel else "softmax over classes gives scores"
    told = f"Logits in the order of the classes; {meaning}." if deepness_px is None else "Scores that sum to 1."
    return {
        "name": "logits" if deepness_px is None else "scores",
        "description": told,
        "tasks": ["semantic-segmentation"],
        "result": {
            "shape": [-1, len(spec.legend), side, side],
            "dim_order": ["batch", "class", "height", "width"],
            "data_type": "float32",
        },
        "classification:classes": [class_entry(found) for found in spec.legend.classes],
    }
