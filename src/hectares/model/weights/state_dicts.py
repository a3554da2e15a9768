"""State dicts of other tools: read without running code, and taken out of the shells and prefixes around them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hectares.errors import ArtefactError

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin")
_MAX_PICKLE_BYTES = 2**26
"""A table of names and shapes; the largest networks have 1 MiB of it."""
_MAX_MEMBERS = 100_000
SHELLS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "teacher",
    "model",
    "student",
    "network",
    "net",
    "module",
    "params",
    "weights",
)
"""Keys under which tools put a state dict; of several, the first is taken. The teacher is the running mean."""
PREFIXES = (
    "module.",
    "_orig_mod.",
    "model.",
    "network.",
    "net.",
    "teacher.",
    "student.",
    "backbone.",
    "encoder.",
    "encoder_q.",
    "base_encoder.",
    "online_encoder.",
    "momentum_encoder.",
    "encoder_k.",
    "target_encoder.",
    "image_encoder.",
    "visual.",
    "trunk.",
    "features.",
)
"""What tools put before names; of two that fit alike, the first is taken: the encoder that learned, not its mean."""
_MAX_PREFIXES = 4
_MAX_VIEWS = 200
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


# --- Reading ----------------------------------------------------------------------------------------------


def read_state(path: Path) -> Mapping[str, object]:
    """Read what a file of weights holds. Raises ArtefactError if it is damaged or would run code."""
    if path.suffix not in SUFFIXES:
        raise ArtefactError(f"{path}: expected a file of weights ({', '.join(SUFFIXES)})")
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from error
    if problem := _impostor(head):
        raise ArtefactError(f"{path}: {problem}")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(state, Mapping):
        raise ArtefactError(f"{path}: holds a {type(state).__name__}; expected a table of arrays (a state dict)")
    return state


def _impostor(head: bytes) -> str | None:
    if not head:
        return "is empty (0 bytes): a download or copy that did not finish"
    if head.startswith(b"version https://git-lfs"):
        return "is a git-lfs pointer, not the weights themselves: run `git lfs pull`"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "is a web page, probably the error page of a failed download"
    return None if head.strip(b"\x00") else "begins with zeros: a download that was reserved but never written"


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        arrays: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, MemoryError) as error:
        raise ArtefactError(f"{path}: is not a whole safetensors file ({_short(error)}); fetch it again") from error
    return arrays


def _read_torch(path: Path) -> object:
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        _check_archive(path)
    elif not head.startswith(b"\x80"):  # how a pickle begins
        raise ArtefactError(f"{path}: is not a file of torch (it starts with {head!r}); expected one of arrays")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        found = _GLOBAL.search(str(error))
        if found or "weights_only" in str(error) or "Unsupported" in str(error):
            what = found[1] if found else "another object than arrays"
            raise ArtefactError(
                f"{path}: holds {what}, and reading it might run code, so it is not read; take a file of arrays only "
                "(.safetensors), or save its state dict as one where you trust it"
            ) from error
        raise ArtefactError(f"{path}: is damaged or cut short ({_short(error)}); fetch it again") from error


def _check_archive(path: Path) -> None:
    """Refuse archives that would grow when they are read: torch itself stores arrays as they are."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ArtefactError(f"{path}: is damaged or cut short ({_short(error)}); fetch it again") from error
    size, total = path.stat().st_size, sum(m.file_size for m in members)
    packed = next((m.filename for m in members if m.compress_type != zipfile.ZIP_STORED), None)
    if packed is not None or total > size or len(members) > _MAX_MEMBERS:
        what = f"{packed} in it is compressed" if packed else f"its {len(members)} members have {total} bytes"
        raise ArtefactError(
            f"{path}: is not an archive as torch writes it ({what}, the file has {size}); it is not read"
        )
    pickle = next((m for m in members if m.filename.endswith("data.pkl")), None)
    if pickle is not None and pickle.file_size > _MAX_PICKLE_BYTES:
        raise ArtefactError(f"{path}: its table of names has {pickle.file_size >> 20} MiB; it is not read")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


# --- Unwrapping -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arrays:
    """The arrays of a state dict, and the shells they were in."""

    values: Mapping[str, Tensor]
    shells: tuple[str, ...]


def unwrap(state: Mapping[str, object], path: Path) -> Arrays:
    """Take the arrays out of the shells around them. Raises ArtefactError if there are none, or if they cannot be.

    >>> shelled = {"epoch": 3, "state_dict": {"module.conv.weight": torch.zeros(1)}}
    >>> arrays = unwrap(shelled, Path("x.pth"))
    >>> arrays.shells, list(arrays.values)
    (('state_dict',), ['module.conv.weight'])
    """
    shells: list[str] = []
    while True:
        shell = next((s for s in SHELLS if isinstance(state.get(s), Mapping)), None)
        if shell is None or len(shells) == len(SHELLS):
            break
        shells.append(shell)
        state = state[shell]  # type: ignore[assignment]  # a mapping, as just seen
    values = {str(name): value for name, value in state.items() if isinstance(value, Tensor)}
    if not values:
        found = ", ".join(str(k) for k in list(state)[:6]) or "nothing"
        raise ArtefactError(f"{path}: holds no arrays; its keys are {found}; expected a state dict")
    for name, value in values.items():
        # An array may claim more than is stored, by counting the same bytes again and again.
        if value.layout != torch.strided or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ArtefactError(
                f"{path}: array {name} of {tuple(value.shape)} claims more than is stored; it is not read"
            )
    return Arrays(values, tuple(shells))


@dataclass(frozen=True, slots=True)
class View:
    """Arrays under other names: without a prefix, or named as another library names the same layers."""

    values: Mapping[str, Tensor]
    prefix: str
    naming: str
    names: Mapping[str, str]
    """The name in the file, by the new one."""


def views(arrays: Mapping[str, Tensor]) -> Iterator[View]:
    """Give the arrays under all names that they might be meant by, the plainest first."""
    waiting: list[tuple[str, dict[str, str]]] = [("", {name: name for name in arrays})]
    for _ in range(_MAX_VIEWS):
        if not waiting:
            return
        prefix, names = waiting.pop(0)
        for naming, rename in NAMINGS.items():
            renamed = {new: old for name, old in names.items() if (new := rename(name)) is not None}
            yield View({new: arrays[old] for new, old in renamed.items()}, prefix, naming, renamed)
        if prefix.count(".") < _MAX_PREFIXES:
            for more in PREFIXES:
                inner = {name.removeprefix(more): old for name, old in names.items() if name.startswith(more)}
                if inner:
                    waiting.append((prefix + more, inner))


# --- The same layers in other libraries -------------------------------------------------------------------

_MOBILENET_REPEATS = (1, 2, 3, 4, 3, 3, 1)
_SEQUENTIAL = re.compile(r"(stem|stages|layers|blocks)\.(\d+)\.")
_OLD_DENSE = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def _as_it_is(name: str) -> str | None:
    return name


def _timm_features(name: str) -> str | None:
    """Names of a whole network of timm to those of its features in our library.

    >>> _timm_features("stages.0.blocks.1.gamma"), _timm_features("layer1.0.conv1.weight")
    ('model.stages_0.blocks.1.gamma', 'model.layer1.0.conv1.weight')
    """
    found = _SEQUENTIAL.match(name)
    if found and found[1] != "blocks":
        name = f"{found[1]}_{found[2]}.{name[found.end() :]}"
    return f"model.{name}"


def _timm_whole(name: str) -> str | None:
    """Names of a whole network of timm to those of an encoder that keeps it whole."""
    return f"model.{name}"


def _old_densenet(name: str) -> str | None:
    """Names of DenseNets as torchvision publishes them to those it uses.

    >>> _old_densenet("features.denseblock1.denselayer2.norm.1.weight")
    'features.denseblock1.denselayer2.norm1.weight'
    """
    found = _OLD_DENSE.fullmatch(name)
    return f"{found[1]}{found[2]}" if found else name


def _mobilenet_pairs() -> dict[str, str]:
    """Layers of MobileNetV2: those of timm by those of torchvision. Source: Sandler et al. 2018, table 2."""
    pairs = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.18.0": "conv_head", "features.18.1": "bn2"}
    number = 1
    for stage, repeats in enumerate(_MOBILENET_REPEATS):
        for block in range(repeats):
            theirs, ours = f"features.{number}.conv", f"blocks.{stage}.{block}"
            if stage == 0:  # no expansion
                parts = {"0.0": "conv_dw", "0.1": "bn1", "1": "conv_pw", "2": "bn2"}
            else:
                parts = {"0.0": "conv_pw", "0.1": "bn1", "1.0": "conv_dw", "1.1": "bn2", "2": "conv_pwl", "3": "bn3"}
            pairs |= {f"{theirs}.{a}": f"{ours}.{b}" for a, b in parts.items()}
            number += 1
    return pairs


_TO_TIMM = _mobilenet_pairs()
_TO_TORCHVISION = {timm: torchvision for torchvision, timm in _TO_TIMM.items()}


def _mobilenet_to_timm(name: str) -> str | None:
    """Names of torchvision's MobileNetV2 to those of timm as features.

    >>> _mobilenet_to_timm("features.1.conv.0.0.weight")
    'model.blocks.0.0.conv_dw.weight'
    """
    layer, _, array = name.rpartition(".")
    return f"model.{_TO_TIMM[layer]}.{array}" if layer in _TO_TIMM else None


def _mobilenet_to_torchvision(name: str) -> str | None:
    """Names of timm's mobilenetv2_100 to those of torchvision.

    >>> _mobilenet_to_torchvision("bn2.weight")
    'features.18.1.weight'
    """
    layer, _, array = name.rpartition(".")
    return f"{_TO_TORCHVISION[layer]}.{array}" if layer in _TO_TORCHVISION else None


NAMINGS = {
    "as they are": _as_it_is,
    "timm, as features": _timm_features,
    "timm, whole": _timm_whole,
    "densenet of torchvision, published": _old_densenet,
    "mobilenet_v2 of torchvision, for timm": _mobilenet_to_timm,
    "mobilenetv2_100 of timm, for torchvision": _mobilenet_to_torchvision,
}
"""Ways to name the same layers; each gives the name we use, or None for what has none."""
