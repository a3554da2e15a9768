"""Options of the long commands are shown by purpose, all of them, each once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hectares.cli.help_groups import GROUPS, REST, by_purpose
from hectares.cli.main import build_app, run
from hectares.cli.options import Writing

EVERYWHERE = {name.replace("_", "-") for name in Writing.__dataclass_fields__}


def _options(command: str) -> list[str]:
    """Give the names of the options that a command has for itself."""
    found = build_app([command])[command].assemble_argument_collection()
    names = [a.name.removeprefix("--") for a in found if a.name.startswith("--")]
    return [name for name in names if name not in EVERYWHERE and "." not in name]


@pytest.mark.parametrize("command", GROUPS)
def test_every_option_has_a_place_in_the_table_of_groups(command: str):
    listed = [name for names in GROUPS[command].values() for name in names.split()]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(_options(command))


@pytest.mark.parametrize("command", GROUPS)
def test_help_has_a_panel_for_each_purpose_and_ends_with_what_is_everywhere(
    command: str, capsys: pytest.CaptureFixture[str]
):
    assert run([command, "--help"]) == 0
    heads = [line.strip("╭─╮ ") for line in capsys.readouterr().out.splitlines() if line.startswith("╭")]
    assert heads == ["Arguments", *GROUPS[command], "Everywhere"]


def test_an_option_that_the_table_lacks_is_shown_last():
    entries = [SimpleNamespace(positive_names=(f"--{name}",)) for name in ("brand-new", "seed", "bands")]
    panels = [(title, [e.positive_names[0] for e in found]) for title, found in by_purpose("train", entries)]  # type: ignore[arg-type]
    assert panels == [("Data", ["--bands"]), ("Running and resuming", ["--seed"]), (REST, ["--brand-new"])]
