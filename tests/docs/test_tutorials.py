"""The tutorials run: every command and every line of Python on their pages, on tiny copies of their data sets."""

import csv
import json
import os
import sys

import pytest

from docs import running, tutorials

NOTEBOOKS = running.load_tool("notebooks")
PAGES = sorted(running.TUTORIALS.glob("*.md"))
SECTIONS = {"sampling.md": "From a map to a sentence", "statistics.md": "A worked example"}


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Give a function that runs a page in a folder of its own, and gives the folder."""
    monkeypatch.chdir(tmp_path)

    def run(page, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert running.run_page(page, folder=tmp_path, environment=environment)
        return tmp_path

    return run


def areas(path, column):
    with path.open(newline="", encoding="utf-8") as file:
        return {row["class_name"]: float(row[column]) for row in csv.DictReader(file) if row[column]}


def test_every_page_has_data_to_run_on():
    assert sorted(tutorials.CASES) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_a_notebook_says_what_its_page_says(page):
    text = NOTEBOOKS.text_of(NOTEBOOKS.notebook_of(page.read_text(encoding="utf-8")))
    assert page.with_suffix(".ipynb").read_text(encoding="utf-8") == text, "run: python docs/tools/notebooks.py"


def test_only_settings_are_taken_for_settings():
    blocks = list(NOTEBOOKS.blocks_of("Text.\n\n```sh\nexport A=1  # why\nexport B=\n```\n\n```sh\nls $A\n```\n"))
    assert [b.settings for b in blocks] == [(), (("A", "1", "# why"), ("B", "", "")), ()]


def test_a_picture_to_look_at_is_shown():
    cells = NOTEBOOKS.notebook_of("```sh\nexport A=1\n```\n\nLook at `chips/examples.png`.\n")["cells"]
    assert "".join(cells[0]["source"]).startswith("import os\n\nfrom IPython.display import Image\n")
    assert cells[-1]["source"] == ['Image("chips/examples.png")']


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in tutorials.CASES if n != "own-orthophoto"])
def test_a_tutorial_runs(name, in_folder, tmp_path):
    page, environment = tutorials.made_small(name, tmp_path)
    folder = in_folder(page, environment)
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_tutorial_of_the_own_orthophoto_comes_near_the_true_areas(in_folder, tmp_path):
    page, environment = tutorials.made_small("own-orthophoto", tmp_path)
    folder = in_folder(page, environment)
    true = areas(folder / "true-areas.csv", "area_ha")
    low, high = (areas(folder / "estimate.csv", end) for end in ("ci_low_ha", "ci_high_ha"))
    held = [low[name] <= true[name] <= high[name] for name in low]
    assert len(held) == 7
    assert sum(held) >= 6


@pytest.mark.slow
def test_the_pages_for_planners_and_statisticians_run_one_after_the_other(in_folder):
    page = "\n".join(section(name, title) for name, title in SECTIONS.items())
    options = {"demo": "--size-px 256 --epochs 1 --width 2", "sample": "--size 60"}
    folder = in_folder(running.shortened(page, options), dict(os.environ))
    seen = json.loads((folder / "assisted.json").read_text(encoding="utf-8"))
    assert {row["method"] for row in seen["total"]["rows"]} >= {"stratified"}


def section(name, title):
    text = (running.ROOT / "docs" / name).read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.slow
def test_a_notebook_runs_in_jupyter(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    page, environment = tutorials.made_small("crowdai-roofs", tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    page = running.without_training(page)
    content = NOTEBOOKS.notebook_of(page, settings=tutorials.CASES["crowdai-roofs"].settings)
    notebook = nbformat.reads(NOTEBOOKS.text_of(content), as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "chips/chips.json").is_file()
    assert any("image/png" in o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", ()))


@pytest.mark.slow
def test_a_command_that_fails_ends_a_notebook(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}")  # noqa: PTH120
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    page = "```sh\nexport A=1\n```\n\n```sh\nfalse\ntrue\n```\n"
    notebook = nbformat.reads(NOTEBOOKS.text_of(NOTEBOOKS.notebook_of(page)), as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="false"):
        client.execute()
