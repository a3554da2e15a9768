"""Places to look at: where they cannot be written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hectares.errors import ArtefactError
from hectares.io.places import COLUMNS, write_places

ROW: dict[str, str | int | float | None] = dict.fromkeys(COLUMNS, "x") | {"row": 3, "col": 4, "lon": 12.5, "lat": 48.0}


@pytest.mark.skipif(os.name == "nt", reason="names have no line breaks there")
def test_a_folder_that_gdal_cannot_name_is_refused_in_a_sentence_and_left_clean(tmp_path: Path):
    folder = tmp_path / "a\nb"
    folder.mkdir()
    with pytest.raises(ArtefactError, match=r"p\.gpkg: cannot be written .* one of \.csv"):
        write_places(folder / "p.gpkg", [ROW], overwrite=False)
    assert list(folder.iterdir()) == []
    assert write_places(folder / "p.csv", [ROW], overwrite=False).is_file()
