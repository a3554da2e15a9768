"""Presets: recipes of known data sets and networks, as files of options that a user can copy."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import General
from hectares.cli.running import Outcome, run_verb
from hectares.errors import ConfigError


def preset_files() -> dict[str, Path]:
    """Give the files of all presets by name."""
    folder = Path(str(files("hectares") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_preset(name: str) -> Path:
    """Give the file of a preset. Raises ConfigError naming similar ones."""
    known = preset_files()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=4, cutoff=0.4)
    raise ConfigError(f"preset {name!r} is unknown; {'known: ' + ', '.join(near or known)}; see hectares presets")


def presets(name: str | None = None, /, *, general: General = General()) -> int:  # noqa: B008 - a frozen value
    """List the presets, or print one as a file to copy and change.

    NAME is as it was published, without its mistakes; NAME@modern does the same task with today's means.
    A preset has options of `prepare` and of `train`: give --preset NAME to both.

    Example: `hectares presets crowdai-rooftops > my.yaml`, then `hectares train chips run --config my.yaml`

    Parameters
    ----------
    name
        A preset.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        if name is not None:
            text = find_preset(name).read_text(encoding="utf-8")
            return Outcome({"name": name, "text": text}, text.splitlines())
        rows = [(stem, summary(path)) for stem, path in preset_files().items()]
        return Outcome({"presets": dict(rows)}, [table(("preset", "what it is"), rows)])

    return run_verb(general, None, work)


def summary(path: Path) -> str:
    """Give the first sentence of the comment that a preset or a recipe begins with."""
    comment = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return " ".join(comment).partition(". ")[0].rstrip(".")
