"""Which runtime and precision a segmenter runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factory import Notes
from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, MissingExtraError
from hectares.io.segmenter import StoredSegmenter
from hectares.runtime import choice, protocol
from hectares.runtime.choice import Choice, choose
from hectares.runtime.processor import native_precisions

STATS = BandStats(("red",), (100.0,), (40.0,), (0.0,), (200.0,))
SPLIT = {"chips": 4, "agreement": 0.9995, "miou": 0.7, "fp32_miou": 0.701}


def _stored(legend: Legend, *, onnx: float | None = 0.9999, int8: dict[str, Any] | None = None, **agreements: float):
    """Give a segmenter that tells of forms; there is no file behind it."""
    exports: dict[str, Any] = {}
    if onnx is not None:
        one = {"sha256": "ab", "bytes": 9, "opset": 18, "max_difference": 0.1, "chips": 4, "measured_on": "val chips"}
        exports["onnx"] = one | {"agreement": onnx}
    if int8 is not None:
        one = {"sha256": "cd", "bytes": 9, "calibrated_on": {}, "agreement": 0.5, "miou_change": -0.5}
        exports["int8"] = one | {"measured": int8}
    told = {
        name.replace("_", " "): {"agreement": a, "max_difference": 0.1, "chips": 4, "measured_on": "val chips"}
        for name, a in agreements.items()
    }
    spec = SegmenterSpec("unet", {}, STATS, legend.for_maps(), gsd_m=None, tile_px=32)
    return StoredSegmenter(Path("run"), spec, {"exports": exports, "agreements": told})


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch):
    """Give a function that says what the machine has; without a call it has openvino, int8, and no GPU."""

    def say(*, openvino: bool = True, gpu: bool = False, native: tuple[str, ...] = ("int8",)) -> None:
        monkeypatch.setattr(choice, "find_spec", lambda name: name if openvino or name != "openvino" else None)
        monkeypatch.setattr(choice, "_has_gpu", lambda: gpu)
        monkeypatch.setattr(choice, "native_precisions", lambda: frozenset(native))

    say()
    return say


def test_auto_takes_openvino_then_onnx_then_torch(legend: Legend, machine):
    assert choose(_stored(legend)).runtime == "openvino"
    machine(openvino=False)
    assert choose(_stored(legend)).runtime == "onnx"
    assert choose(_stored(legend, onnx=None)).runtime == "torch"


@pytest.mark.parametrize(("agreement", "runtime"), [(0.9990, "onnx"), (0.9989, "torch")])
def test_auto_leaves_an_export_that_agrees_too_little(legend: Legend, machine, agreement: float, runtime: str):
    machine(openvino=False)
    assert choose(_stored(legend, onnx=agreement)).runtime == runtime
    assert choose(_stored(legend, onnx=agreement), name="onnx").runtime == "onnx"


def test_auto_leaves_openvino_where_it_was_seen_to_agree_too_little(legend: Legend):
    assert choose(_stored(legend, openvino_fp32=0.998)).runtime == "onnx"
    assert choose(_stored(legend, openvino_fp32=0.9991)).runtime == "openvino"


def test_auto_is_torch_where_a_gpu_is_at_hand(legend: Legend, machine):
    machine(gpu=True)
    assert choose(_stored(legend)).runtime == "torch"
    assert choose(_stored(legend), device="cpu").runtime == "openvino"
    assert choose(_stored(legend), device="cuda:1") == Choice("torch", "fp32")
    assert choose(_stored(legend, torch_bf16=1.0), precision="auto") == Choice("torch", "fp32")


def test_a_precision_that_is_asked_for_passes_over_what_does_not_know_it(legend: Legend, machine):
    machine(openvino=False)
    assert choose(_stored(legend), precision="bf16") == Choice("torch", "bf16")
    assert choose(_stored(legend), precision="int8") == Choice("onnx", "int8")


def test_auto_takes_int8_that_was_measured_well_and_says_how_well(legend: Legend):
    found = choose(_stored(legend, int8={"openvino": {"val": SPLIT, "test": SPLIT}}), precision="auto")
    assert found == Choice("openvino", "int8", ("int8 agrees with fp32 on 99.950% of pixels",))


@pytest.mark.parametrize(
    ("worse", "why"),
    [
        ({"agreement": 0.985}, "int8 agrees with fp32 on 98.500% of pixels: not taken, 99.9% are wanted"),
        ({"miou": 0.69}, "int8 agrees with fp32 on 99.950% of pixels: not taken, mean IoU falls by 1.10 points"),
    ],
)
def test_auto_never_takes_int8_that_is_worse_on_any_split(legend: Legend, worse: dict[str, float], why: str):
    stored = _stored(legend, int8={"openvino": {"val": SPLIT, "test": SPLIT | worse}})
    assert choose(stored, precision="auto") == Choice("openvino", "fp32", (why,))
    assert choose(stored, precision="int8") == Choice("openvino", "int8")


def test_auto_never_takes_int8_that_another_runtime_was_measured_with(legend: Legend):
    assert choose(_stored(legend, int8={"onnx": {"val": SPLIT}}), precision="auto") == Choice("openvino", "fp32")


def test_auto_never_takes_what_the_processor_does_not_multiply_natively(legend: Legend, machine):
    stored = _stored(legend, int8={"openvino": {"val": SPLIT}}, openvino_bf16=0.9992)
    machine(native=("bf16",))
    found = choose(stored, precision="auto")
    assert (found.runtime, found.precision) == ("openvino", "bf16")
    assert found.why[0].endswith("not taken, this processor does not multiply it natively")
    machine(native=())
    assert choose(stored, precision="auto").precision == "fp32"
    with pytest.raises(ConfigError, match="int8 needs a processor that multiplies it natively"):
        choose(stored, precision="int8")


def test_bf16_that_nobody_measured_is_not_taken_unasked(legend: Legend, machine):
    machine(native=("bf16",))
    assert choose(_stored(legend), precision="auto") == Choice("openvino", "fp32")
    assert choose(_stored(legend, onnx=None, torch_bf16=0.9995), precision="auto").precision == "bf16"
    assert choose(_stored(legend, onnx=None, torch_bf16=0.99), precision="auto").precision == "fp32"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "tpu"}, "runtime 'tpu' is unknown; choose auto, openvino, onnx, torch"),
        ({"precision": "fp8"}, "precision 'fp8' is unknown; choose auto, fp32, bf16, int8"),
        ({"name": "onnx", "device": "cuda"}, "onnx runs on the processor, not on cuda"),
        ({"name": "onnx", "precision": "bf16"}, "bf16 is for openvino and torch, not for onnx"),
        ({"name": "torch", "precision": "int8"}, "int8 is for openvino and onnx, not for torch"),
    ],
)
def test_what_does_not_go_together_is_refused(legend: Legend, options: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message):
        choose(_stored(legend), **options)


def test_int8_without_a_form_says_how_to_make_one(legend: Legend):
    with pytest.raises(ArtefactError, match=r"holds no model\.int8\.onnx; make one with `hectares quantize"):
        protocol.open_runtime(_stored(legend), name="onnx", precision="int8")


def test_openvino_that_is_not_installed_says_what_to_install(legend: Legend, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(protocol, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hectares\[openvino\]'"):
        protocol.open_runtime(_stored(legend), name="openvino")


def test_what_was_thought_of_a_precision_is_noted(legend: Legend, notes: Notes):
    stored = _stored(legend, int8={"onnx": {"val": SPLIT | {"agreement": 0.9}}})
    with pytest.raises(ArtefactError):  # there are no files
        protocol.open_runtime(stored, name="onnx", precision="auto", monitor=notes)
    [note] = notes.problems
    assert (note.severity, note.remedy) == ("note", "runs in fp32")
    assert note.what == "int8 agrees with fp32 on 90.000% of pixels: not taken, 99.9% are wanted"


@pytest.mark.parametrize(
    ("line", "native"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni", {"int8"}),
        ("flags\t\t: fpu avx2 avx512_bf16 avx_vnni", {"int8", "bf16"}),
        ("Features\t: fp asimd asimddp", {"int8"}),
        ("flags\t\t: fpu avx2", set()),
        ("model name : bf16", set()),
    ],
)
def test_a_processor_tells_what_it_multiplies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, native: set[str]
):
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{line}\n", encoding="utf-8")
    assert native_precisions(tmp_path / "cpuinfo") == native
    assert native_precisions(tmp_path / "absent") == frozenset()
