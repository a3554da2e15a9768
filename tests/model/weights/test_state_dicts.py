"""Files of weights as other tools write them, and as nobody should."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hectares.errors import ArtefactError
from hectares.model.weights.state_dicts import NAMINGS, read_state, unwrap, views

CONV = torch.arange(6.0).reshape(2, 3, 1, 1)


class Harmful:
    """Runs a command when it is unpickled without care."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def arrays_of(path: Path):
    return unwrap(read_state(path), path)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.th", "w.ckpt", "w.bin"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_files_of_torch_are_read_in_both_its_layouts(tmp_path: Path, name: str, as_zip: bool):
    path = tmp_path / name
    torch.save({"epoch": 3, "state_dict": {"conv.weight": CONV}}, path, _use_new_zipfile_serialization=as_zip)
    arrays = arrays_of(path)
    assert arrays.shells == ("state_dict",)
    assert torch.equal(arrays.values["conv.weight"], CONV)


def test_safetensors_are_read(tmp_path: Path):
    save_file({"conv.weight": CONV}, tmp_path / "w.safetensors")
    assert torch.equal(arrays_of(tmp_path / "w.safetensors").values["conv.weight"], CONV)


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "w.th"])
@pytest.mark.parametrize("allowed_by_environment", [True, False])
def test_a_pickle_that_runs_a_command_is_refused_and_runs_nothing(
    tmp_path: Path, name: str, allowed_by_environment: bool, monkeypatch: pytest.MonkeyPatch
):
    torch.save({"state_dict": {"a": CONV}, "config": Harmful(tmp_path / "ran")}, tmp_path / name)
    if allowed_by_environment:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ArtefactError, match=r"holds \w+\.system, and reading it might run code, so it is not read"):
        read_state(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_whole_network_is_refused(tmp_path: Path):
    torch.save(torch.nn.Conv2d(3, 2, 1), tmp_path / "w.pth")
    with pytest.raises(ArtefactError, match=r"holds torch\.nn\.\S+Conv2d, and reading it might run code"):
        read_state(tmp_path / "w.pth")


def test_an_archive_that_would_grow_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("w/data/0", bytes(2**22))
    with pytest.raises(ArtefactError, match=r"is not an archive as torch writes it \(w/data.pkl in it is compressed"):
        read_state(tmp_path / "w.pth")


def test_an_array_that_claims_more_than_is_stored_is_refused(tmp_path: Path):
    torch.save({"conv.weight": torch.zeros(1).expand(10**12)}, tmp_path / "w.pth")
    with pytest.raises(ArtefactError, match=r"array conv.weight of \(1000000000000,\) claims more than is stored"):
        arrays_of(tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str, keep: float):
    path = tmp_path / name
    arrays = {f"layer{n}.weight": torch.rand(40, 40) for n in range(4)}
    if path.suffix == ".pth":
        torch.save(arrays, path)
    else:
        save_file(arrays, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(ArtefactError, match=r"is damaged or cut short|is not a whole safetensors file"):
        read_state(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (bytes(100), "begins with zeros"),
        (b"no weights at all", "is not a file of torch .it starts with b'no weigh"),
        (b"\x80\x02no weights", "is not read|is damaged or cut short"),
    ],
)
def test_what_is_no_file_of_weights_is_named(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ArtefactError, match=message):
        read_state(tmp_path / "w.pth")


def test_other_kinds_of_files_are_not_opened(tmp_path: Path):
    with pytest.raises(ArtefactError, match=r"expected a file of weights \(\.safetensors, \.pt"):
        read_state(tmp_path / "w.pkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [([1, 2], "holds a list; expected a table"), ({"epoch": 3}, "holds no arrays; its keys are epoch")],
)
def test_a_file_without_arrays_is_refused(tmp_path: Path, content: object, message: str):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(ArtefactError, match=message):
        arrays_of(tmp_path / "w.pth")


# --- Shells, prefixes, namings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shells", "state"),
    [
        ((), {"a": CONV}),
        (("state_dict",), {"state_dict": {"a": CONV}, "epoch": 3}),
        (("model_state_dict",), {"model_state_dict": {"a": CONV}, "optimizer_state_dict": {"b": CONV}}),
        (("teacher",), {"student": {"b": CONV}, "teacher": {"a": CONV}}),
        (("model", "state_dict"), {"model": {"state_dict": {"a": CONV}}}),
    ],
)
def test_shells_are_taken_off(shells: tuple[str, ...], state: dict[str, object]):
    arrays = unwrap(state, Path("w.pth"))
    assert (arrays.shells, list(arrays.values)) == (shells, ["a"])


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "backbone.",
        "encoder.",
        "module.encoder_q.",
        "student.backbone.",
        "module.base_encoder.",
        "net.encoder.",
    ],
)
def test_prefixes_are_taken_off_one_after_the_other(prefix: str):
    seen = {(view.prefix, *view.values) for view in views({f"{prefix}conv1.weight": CONV, "queue": CONV})}
    assert any(p == prefix and "conv1.weight" in names for p, *names in seen)


def test_mobilenets_of_torchvision_and_timm_have_the_same_layers():
    import timm
    from torchvision.models import mobilenet_v2

    with torch.device("meta"):
        timm_names = {k: tuple(v.shape) for k, v in timm.create_model("mobilenetv2_100").state_dict().items()}
        names = {k: tuple(v.shape) for k, v in mobilenet_v2().state_dict().items()}
    renamed = {NAMINGS["mobilenetv2_100 of timm, for torchvision"](k): v for k, v in timm_names.items()}
    del renamed[None]
    assert renamed == {k: v for k, v in names.items() if not k.startswith("classifier")}
    for name in renamed:
        back = NAMINGS["mobilenet_v2 of torchvision, for timm"](name).removeprefix("model.")
        assert timm_names[back] == names[name]
