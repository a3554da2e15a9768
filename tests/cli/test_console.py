"""What is printed is shown as it is: names of files are no markup and do nothing to a terminal."""

import io

import pytest
from rich.console import Console

from hectares.cli import console
from hectares.cli.console import ConsoleMonitor, show_error, show_result, styled, table, visible
from hectares.errors import RasterError
from hectares.monitor import Problem

ODD = r"[red]a[/] :smile: [x] [link=http://x]b\[c].tif"


@pytest.fixture
def printed(monkeypatch):
    """Give what both consoles print."""
    file = io.StringIO()
    for name in ("stdout", "stderr"):
        plain = getattr(console, name)
        options = {"markup": plain._markup, "emoji": plain._emoji, "highlight": False, "soft_wrap": plain.soft_wrap}
        monkeypatch.setattr(console, name, Console(file=file, width=300, **options))
    return file.getvalue


def test_lines_and_tables_show_names_as_they_are(printed):
    show_result({}, [f"made {ODD}", table([ODD, "n"], [[ODD, 3]], title=ODD), styled((ODD, "bold"))], (), as_json=False)
    assert printed().count(ODD) == 5


def test_problems_and_errors_show_names_as_they_are(printed):
    monitor = ConsoleMonitor(quiet=True, as_json=False)
    monitor.problem(Problem(ODD, "is odd", "rename it"))
    show_error(RasterError(f"{ODD}: is no image"), as_json=False)
    assert f"warning: {ODD}: is odd; rename it" in printed()
    assert f"error: {ODD}: is no image" in printed()


def test_a_gap_has_a_word_of_its_own_and_alone_counts_for_the_exit_code(printed):
    monitor = ConsoleMonitor(quiet=True, as_json=False)
    monitor.problem(Problem("zones.gpkg", "1 pair of zones overlaps", "sums are too large"))
    assert show_result({}, [], monitor.problems, as_json=False) == 0
    monitor.problem(Problem("s.gpkg", "4 points have no label", "they are left out", "incomplete"))
    assert show_result({}, [], monitor.problems, as_json=False) == 3
    assert [line.split(":")[0] for line in printed().splitlines()] == ["warning", "incomplete"]


def test_bars_show_names_as_they_are(printed, monkeypatch):
    file = io.StringIO()
    terminal = Console(file=file, width=300, force_terminal=True, color_system=None, markup=False, emoji=False)
    monkeypatch.setattr(console, "stderr", terminal)
    with ConsoleMonitor(quiet=False, as_json=False) as monitor:
        monitor.progress(f"reading {ODD}", 1, 2, ODD)
        monitor.progress(f"reading {ODD}", 2, 2, ODD)
    assert file.getvalue().count(ODD) >= 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain ä 中 🙂.tif", "plain ä 中 🙂.tif"),
        ("clear\x1b[2Jscreen", r"clear\x1b[2Jscreen"),
        ("bell\x07", r"bell\x07"),
        ("not\udcffutf8", r"not\udcffutf8"),
        ("right\u202eleft", r"right\u202eleft"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(name, shown):
    assert visible(name) == shown


def test_a_result_that_tells_of_problems_itself_ends_with_3(printed):
    assert show_result({}, ["x"], (), as_json=False, complete=False) == 3
    assert show_result({}, ["x"], (), as_json=False) == 0


def test_scores_of_overlapping_classes_have_no_kappa():
    from hectares.cli.showing import show_scores

    overall = {"accuracy": 0.9, "mean_iou": 0.5, "mean_f1": 0.6}
    assert show_scores([], overall)[1] == "accuracy 0.900   mean IoU 0.500   mean F1 0.600"
    assert show_scores([], overall | {"kappa": 0.7})[1].endswith("mean F1 0.600   kappa 0.700")
