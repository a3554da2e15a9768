"""Segmenters that ship with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hectares.core.bands import BandStats
from hectares.core.legend import Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError
from hectares.io import builtin
from hectares.io.artefact import stamp
from hectares.io.builtin import builtin_names, locate, read_card
from hectares.io.segmenter import find_segmenter, save_segmenter

CARD = """---
summary: roofs from the air
license: CC0-1.0
scores:
  mean IoU, east: 0.61
---

# Limits

Snow.
"""


@pytest.fixture
def shipped(tmp_path: Path, legend: Legend, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a package folder with the segmenter `roofs`."""
    folder = tmp_path / "builtin" / "roofs"
    folder.mkdir(parents=True)
    spec = SegmenterSpec("unet-elu", {}, BandStats(("red",), (1.0,), (2.0,)), legend.for_maps(), 0.5, 64)
    save_segmenter(folder, spec, {"w": np.zeros(1, np.float32)}, stamp("segmenter", config={}, inputs={}))
    (folder / "card.md").write_text(CARD, encoding="utf-8")
    (tmp_path / "builtin" / "unfinished").mkdir()
    monkeypatch.setattr(builtin, "ROOT", folder.parent)
    return folder


def test_a_builtin_segmenter_is_found_by_name(shipped: Path):
    assert builtin_names() == ["roofs"]
    assert find_segmenter("builtin:roofs").folder == shipped
    assert find_segmenter(Path("builtin:roofs")).spec.gsd_m == 0.5


def test_its_card_has_a_head_and_prose(shipped: Path):
    card = read_card(shipped)
    assert (card.summary, card.license, card.scores) == ("roofs from the air", "CC0-1.0", {"mean IoU, east": 0.61})
    assert card.text == "# Limits\n\nSnow."


@pytest.mark.parametrize("name", ["builtin:towns", "builtin:", "builtin:../roofs", "builtin:unfinished"])
def test_an_unknown_name_lists_the_known_ones(shipped: Path, name: str):
    with pytest.raises(ConfigError, match="there is no such segmenter; known: builtin:roofs"):
        find_segmenter(name)


def test_a_version_without_any_says_so(tmp_path: Path):
    assert builtin_names(tmp_path / "none") == []
    with pytest.raises(ConfigError, match="none ships with this version"):
        locate("builtin:roofs", tmp_path / "none")


@pytest.mark.parametrize("text", ["", "# no head", "---\nsummary: a\n---\n", "---\n- 1\n---\n", "---\na: [\n---\n"])
def test_a_card_without_its_head_is_refused(shipped: Path, text: str):
    (shipped / "card.md").write_text(text, encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"card\.md: is no card"):
        read_card(shipped)


def test_what_ships_with_the_package_is_whole():
    for name in builtin_names():
        stored = find_segmenter(f"builtin:{name}")
        stored.verify()
        assert stored.onnx is not None
        assert stored.onnx.is_checked
        assert read_card(stored.folder).text
        assert sum(f.stat().st_size for f in stored.folder.iterdir()) < 10 * 2**20
