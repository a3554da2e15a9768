"""The README says only what is true: its commands parse, its table lists every command, its files exist."""

import re
import shlex
from pathlib import Path

import pytest

from hectares.cli import commands
from hectares.cli.main import build_app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]


def command_lines(text):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [
        line.strip().removeprefix("$ ")
        for language, block in blocks
        if language != "text"
        for line in block.splitlines()
    ]
    return [line.split("  #")[0] for line in lines if line.startswith("hectares ")]


# Tutorials have settings in their commands; tests/docs/test_tutorials.py runs them.
PLAIN = [path for path in DOCUMENTS if path.parent.name != "tutorials"]
ALL_LINES = sorted({line for path in PLAIN for line in command_lines(path.read_text(encoding="utf-8"))})


def test_the_readme_shows_the_chain():
    shown = " ".join(command_lines(README))
    for verb in ("prepare", "train", "predict", "evaluate", "measure", "report"):
        assert f"hectares {verb} " in shown


@pytest.mark.parametrize("line", ALL_LINES)
def test_every_command_in_the_documents_parses(line):
    tokens = shlex.split(line)[1:]
    command, _, _ = build_app().parse_args(tokens, exit_on_error=False, print_error=False)
    assert callable(command)


def test_the_table_of_commands_is_complete():
    listed = re.findall(r"^\| `hectares (\w+)", README, flags=re.MULTILINE)
    assert sorted(listed) == sorted(commands.NAMES)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (path.parent / t).exists()]
    assert missing == []


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo:", makefile, flags=re.MULTILINE)
    assert re.search(r"^test:", makefile, flags=re.MULTILINE)
    assert README.index("make demo") < README.index("make test")
