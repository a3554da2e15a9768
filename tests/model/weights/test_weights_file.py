"""Which file a text means."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hectares.errors import ArtefactError, ConfigError
from hectares.io.weight_sets import read_weight_sets
from hectares.model.weights.weights_file import WeightsFile, find_weights

SETS = read_weight_sets()
HASH = hashlib.sha256(b"weights").hexdigest()


def find(text: str | Path, encoder: str | None = "resnet18", **options) -> WeightsFile:
    return find_weights(str(text), encoder=encoder, sets=SETS, **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.pth"
    path.write_bytes(b"weights")
    return path


def test_a_local_file_is_noted_with_its_hash(file: Path):
    found = find(file)
    assert (found.path, found.sha256, found.pinned, found.bands) == (file, HASH, False, ())


@pytest.mark.parametrize("digits", [HASH, HASH[:8], HASH.upper()])
def test_a_file_with_the_hash_that_is_asked_for_is_taken(file: Path, digits: str):
    assert find(f"{file}#sha256={digits}").pinned


def test_a_file_with_another_hash_is_refused(file: Path):
    with pytest.raises(ArtefactError, match=rf"begins with {HASH[:8]}, expected 12345678: it is damaged, or another"):
        find(f"{file}#sha256=12345678")


def test_a_published_file_is_known_by_its_name_and_checked_against_its_hash(tmp_path: Path):
    path = tmp_path / "resnet50_sentinel2_all_moco-df8b932e.pth"
    path.write_bytes(b"not it")
    with pytest.raises(ArtefactError, match="expected df8b932e"):
        find(path)


def test_bands_can_be_named(file: Path):
    assert [b.role for b in find(file, bands="B08,B04").bands] == ["nir", "red"]


@pytest.mark.parametrize(
    ("text", "encoder", "message"),
    [
        ("imagnet", "resnet18", "no such weights; known are none, imagenet, ssl4eo-s12-resnet18-moco"),
        ("https://x.org/y.pth", "resnet18", "only local files are read; download it"),
        ("mine.pth#sha256=xyz", "resnet18", "'xyz' is no SHA-256; expected 8 to 64"),
        ("hf-hub:timm", "resnet18", "expected hf-hub:ORG/NAME"),
        ("noisy-student", "resnet18", "has no weights 'noisy-student'; it has imagenet, ssl, swsl"),
        ("ssl4eo-s12-resnet50-moco", "tu-resnet18", "are of resnet50, but the encoder is resnet18; use --encoder res"),
        ("imagenet", None, "no encoder to start from weights"),
        ("imagenet", "tu-nothing_tiny", "has no weights 'imagenet' on a hub; give a file"),
    ],
)
def test_a_text_that_means_nothing_is_refused(text: str, encoder: str | None, message: str):
    with pytest.raises(ConfigError, match=message):
        find(text, encoder)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(ArtefactError, match="there is no such file of weights"):
        find(tmp_path / "gone.pth")
    with pytest.raises(ArtefactError, match="is no regular file"):
        find(tmp_path)


def test_a_file_that_is_too_large_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hectares.model.weights.weights_file.MAX_BYTES", 6)
    with pytest.raises(ArtefactError, match="more than the 0 GiB that are read as weights"):
        find(file)


# --- Hubs: nothing goes through the network ---------------------------------------------------------------


class Hub:
    """Stands in for the library of the hub."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files
        self.asked: list[tuple[str, str, str | None, bool]] = []

    def __call__(self, repository: str, file: str, *, revision: str | None, local_files_only: bool) -> str:
        self.asked.append((repository, file, revision, local_files_only))
        if f"{repository}/{file}" not in self.files:
            raise FileNotFoundError(f"{file} is not cached")
        return str(self.files[f"{repository}/{file}"])


@pytest.fixture
def hub(file: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = Hub({"timm/some/pytorch_model.bin": file, "smp-hub/resnet18.imagenet/model.safetensors": file})
    monkeypatch.setattr("huggingface_hub.hf_hub_download", found)
    return found


def test_imagenet_is_taken_from_the_cache_at_its_commit(hub: Hub):
    found = find("imagenet")
    assert [b.role for b in found.bands] == ["red", "green", "blue"]
    assert (found.sha256, found.pinned, len(found.revision or "")) == (HASH, True, 40)
    assert hub.asked == [("smp-hub/resnet18.imagenet", "model.safetensors", found.revision, True)]


def test_a_repository_is_searched_for_the_usual_files(hub: Hub):
    found = find("hf-hub:timm/some@abc1")
    assert (found.revision, found.bands) == ("abc1", ())
    assert [asked[1] for asked in hub.asked] == ["model.safetensors", "pytorch_model.bin"]


def test_what_is_not_cached_is_not_fetched_but_said(hub: Hub):
    with pytest.raises(ArtefactError, match=r"nothing is fetched in passing: .*`hf download smp-hub/resnet34.imagenet"):
        find("imagenet", "resnet34")
    assert all(local for *_, local in hub.asked)


def test_it_is_fetched_if_that_is_wanted(hub: Hub):
    assert find("imagenet", download=True).path.name == "mine.pth"
    assert hub.asked[0][3] is False
    with pytest.raises(ArtefactError, match=r"cannot be fetched from https://huggingface.co/smp-hub/resnet34.imagenet"):
        find("imagenet", "resnet34", download=True)


def test_the_encoder_of_a_network_of_ours_finds_its_weights(hub: Hub):
    with pytest.raises(ArtefactError, match=r"hf download smp-hub/vgg19\.imagenet"):
        find("imagenet", "torchvision:vgg19")
