"""Which file of weights a text means: a local one, or one of a hub that lies in its cache.

none                                      random weights
imagenet, ssl, noisy-student ...          what the library of networks has for the encoder
ssl4eo-s12-resnet50-moco                  a set of the table in io/weight_sets.yaml
hf-hub:ORG/NAME[@REVISION][/FILE]         a repository of the Hugging Face hub
FILE[#sha256=HEX]                         a local file, with the hash it must have

Nothing is fetched unless `download` says so. A file of a hub is taken from the cache of its library at the pinned
revision; if it is not there, the message says what to fetch and where to put it.
"""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from hectares.core.weight_sets import KnownBand, WeightSet, WeightSets
from hectares.errors import ArtefactError, ConfigError, MissingExtraError

MAX_BYTES = 8 * 2**30
"""The largest file that is read; the largest encoders have 2 GiB."""
_HUB = "hf-hub:"
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_SHA256 = re.compile(r"[0-9a-f]{8,64}")
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w./-]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights on this machine."""

    path: Path
    source: str
    """What was asked for."""
    sha256: str
    """Of the file as it is."""
    revision: str | None = None
    """Commit of the repository it is from."""
    known: WeightSet | None = None
    """The published set it is."""
    bands: tuple[KnownBand, ...] = ()
    """What its first layer takes, in order; empty if nothing says so."""
    pinned: bool = False
    """True if hash or revision were given beforehand, so that another file would have been refused."""


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file of a repository."""

    repository: str
    revision: str | None
    files: tuple[str, ...]
    sha256: str = ""
    known: WeightSet | None = None

    @property
    def address(self) -> str:
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision or 'main'}/{self.files[0]}"


def find_weights(
    text: str, *, encoder: str | None, sets: WeightSets, bands: str | None = None, download: bool = False
) -> WeightsFile:
    """Give the file that a text means, with its hash checked.

    `encoder` is the library's name of the encoder, `bands` says what the first layer of the weights takes. Raises
    ConfigError for a text or an encoder without such weights, ArtefactError for a file that is missing or another one.
    """
    if encoder is None:
        raise ConfigError(f"--weights {text}: this network has no encoder to start from weights; use --weights none")
    remote = _remote(text, encoder, sets)
    if remote is None:
        found = _local(text, sets)
    else:
        path = _from_hub(remote, text, download=download)
        found = WeightsFile(path, text, _checked_hash(path, remote.sha256), remote.revision, remote.known)
        found = replace(found, pinned=remote.revision is not None)
    if found.known is not None:
        found = replace(found, bands=found.known.bands)
    elif remote is not None and not text.startswith(_HUB):
        found = replace(found, bands=sets.bands_of("rgb"))  # photos
    return replace(found, bands=sets.bands_of(bands)) if bands else found


# --- Local files ------------------------------------------------------------------------------------------


def _local(text: str, sets: WeightSets) -> WeightsFile:
    name, mark, digits = text.partition("#sha256=")
    digits = digits.strip().lower()
    if mark and not _SHA256.fullmatch(digits):
        raise ConfigError(f"--weights {text!r}: {digits!r} is no SHA-256; expected 8 to 64 hexadecimal digits")
    if "://" in name:
        raise ConfigError(f"--weights {text!r}: only local files are read; download it, and give FILE#sha256=HEX")
    path = Path(name)
    known = sets.by_file(path.name)
    if not path.exists() and not mark and path.suffix == "" and len(path.parts) == 1:
        words = ", ".join(("none", "imagenet", *sets.sets))
        raise ConfigError(f"--weights {text!r}: there is no such file, and no such weights; known are {words}")
    sha256 = _checked_hash(path, digits or (known.sha256 if known else ""))
    return WeightsFile(path, text, sha256, known=known, pinned=bool(mark or known))


def _checked_hash(path: Path, expected: str) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: there is no such file of weights") from None
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise ArtefactError(f"{path}: is no regular file; expected a file of weights")
    if status.st_size > MAX_BYTES:
        size = f"{status.st_size / 2**30:.1f} GiB"
        raise ArtefactError(f"{path}: has {size}, more than the {MAX_BYTES >> 30} GiB that are read as weights")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtefactError(f"{path}: cannot be read ({error.strerror})") from error
    if not found.startswith(expected):
        shown = found[: max(8, len(expected))]
        raise ArtefactError(
            f"{path}: its SHA-256 begins with {shown}, expected {expected}: it is damaged, or another file; "
            "fetch it again"
        )
    return found


# --- Hubs -------------------------------------------------------------------------------------------------


def _remote(text: str, encoder: str, sets: WeightSets) -> _Remote | None:
    if text in sets.sets:
        known = sets.sets[text]
        plain = _plain(encoder)
        if plain != known.encoder:
            raise ConfigError(
                f"the weights {text} are of {known.encoder}, but the encoder is {plain}; use --encoder {known.encoder}"
            )
        return _Remote(known.hub, known.revision, (known.file,), known.sha256, known)
    if text.startswith(_HUB):
        found = _REPOSITORY.fullmatch(text.removeprefix(_HUB))
        if found is None:
            raise ConfigError(f"--weights {text!r}: expected hf-hub:ORG/NAME, hf-hub:ORG/NAME@REVISION or with /FILE")
        return _Remote(found["name"], found["revision"], (found["file"],) if found["file"] else _HUB_FILES)
    if Path(text).suffix or "#" in text:
        return None
    return _of_library(text, encoder)


def _plain(encoder: str) -> str:
    """The name of an encoder without what libraries put before it.

    >>> _plain("tu-resnet50"), _plain("torchvision:vgg19")
    ('resnet50', 'vgg19')
    """
    return encoder.removeprefix("tu-").rpartition(":")[2].split(".")[0]


def _of_library(text: str, encoder: str) -> _Remote | None:
    """The weights that the libraries name for an encoder; None if the text is no name of theirs."""
    try:
        import timm
        from segmentation_models_pytorch.encoders import encoders
    except ImportError as error:
        raise MissingExtraError("pretrained weights need an extra: pip install 'hectares[train]'") from error
    words = {word for entry in encoders.values() for word in entry["pretrained_settings"]}
    if text not in words:
        return None
    name = encoder.rpartition(":")[2]
    if name in encoders:
        settings = encoders[name]["pretrained_settings"]
        if text not in settings:
            has = ", ".join(settings) or "none at all"
            raise ConfigError(f"encoder {name} has no weights {text!r}; it has {has}")
        return _Remote(settings[text]["repo_id"], settings[text]["revision"], ("model.safetensors",))
    settings = timm.get_pretrained_cfg(name.removeprefix("tu-"))
    if text != "imagenet" or settings is None or not settings.hf_hub_id:
        raise ConfigError(f"encoder {name} has no weights {text!r} on a hub; give a file with --weights")
    return _Remote(settings.hf_hub_id, None, (settings.hf_hub_filename or _HUB_FILES[0], _HUB_FILES[1]))


def _from_hub(remote: _Remote, text: str, *, download: bool) -> Path:
    """Give a file of a repository from the cache of the hub's library, or fetch it if that is wanted."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError as error:
        raise MissingExtraError(f"--weights {text} needs an extra: pip install 'hectares[train]'") from error
    reason = ""
    for file in remote.files:
        try:
            return Path(
                hf_hub_download(remote.repository, file, revision=remote.revision, local_files_only=not download)
            )
        except Exception as error:  # noqa: BLE001 - the library raises what its network stack raises
            reason = reason or " ".join(str(error).split())[:120]
    if download:
        raise ArtefactError(f"the weights {text} cannot be fetched from {remote.address} ({reason}); try again later")
    commit = f" --revision {remote.revision}" if remote.revision else ""
    raise ArtefactError(
        f"the weights {text} are not on this machine, and nothing is fetched in passing: where there is a network, "
        f"run `hf download {remote.repository} {remote.files[0]}{commit}`, which fills {HF_HUB_CACHE}; "
        f"or download {remote.address} and give the file with --weights"
    )
