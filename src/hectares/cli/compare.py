"""The commands `compare` and `recipes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from hectares.cli.commands import NAMES
from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import General, Writing
from hectares.cli.presets import summary
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.cli.settings import option_sections
from hectares.config.compare import CompareConfig
from hectares.errors import ConfigError

if TYPE_CHECKING:
    from hectares.core.scoring.comparison import Comparison

_TRAIN = "train"
_HEADS = {
    "network": "network", "encoder": "encoder", "weights": "weights", "parameters_trainable": "parameters",
    "parameters_frozen": "frozen", "epochs": "epochs", "best_epoch": "best epoch", "training_minutes": "minutes",
    "val_loss": "val loss",
}  # fmt: skip


def compare(
    *places: Annotated[str, Parameter(name="RUN_OR_EVALUATION... OUT, or CHIPS OUT")],
    config: Annotated[CompareConfig, OPTIONS] = CompareConfig(),  # noqa: B008
    general: Writing = Writing(),  # noqa: B008
) -> int:
    """Compare runs on the same chips: one table, one figure, and whether the best is really better.

    Finished runs are scored on --chips; evaluations are taken as they are. With --recipe, the runs are trained first,
    on the same chips, split and seed. A comparison that was stopped goes on when the same command is given again.
    A preset, and the section `train:` of --config, count for all runs of a recipe, under what the recipe says.

    Example: `hectares compare run-a run-b comparison --chips chips`

    Example: `hectares compare chips comparison --recipe rgb-vs-all --epochs 20`

    Parameters
    ----------
    places
        Runs or evaluations, each as PATH or NAME=PATH; with --recipe, the chips; and last the folder to write.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.compare import compare_recipe, compare_runs

        keep_memory()
        if not places:
            raise ConfigError("compare needs runs or evaluations, or chips with --recipe, and last the folder to write")
        *sources, out = places
        if config.recipe is None:
            found = compare_runs(sources, out, config, overwrite=general.overwrite, monitor=monitor)
        else:
            if len(sources) != 1:
                raise ConfigError(
                    f"with --recipe, give the chips and the folder to write: compare CHIPS OUT; got {places}"
                )
            found = compare_recipe(
                sources[0],
                out,
                _with_assignments(config, general),
                background=_background(general),
                overwrite=general.overwrite,
                monitor=monitor,
            )
        lines = [*_show(found), f"{out}/comparison.png, with .csv and .json beside it"]
        return Outcome({"comparison": out, **found.to_json()}, lines)

    return run_verb(general, config, work)


def _with_assignments(config: CompareConfig, general: Writing) -> CompareConfig:
    """Take `--set train.OPTION=VALUE` as `--train OPTION=VALUE`."""
    given = [text.removeprefix(f"{_TRAIN}.") for text in general.set if text.startswith(f"{_TRAIN}.")]
    return replace(config, train=(*given, *config.train))


def _background(general: Writing) -> Mapping[str, Any]:
    """Options of `train` in the preset and the file."""
    return option_sections(general.preset, general.config, NAMES).get(_TRAIN, {})


def _show(found: Comparison) -> list[str | Table]:
    """What the runs are, their scores, those of the classes, and the verdict."""
    from hectares.core.scoring.comparison import CHOSEN, SCORES
    from hectares.view.comparison import difference_text
    from hectares.view.numbers import score
    from hectares.view.score_lines import ends

    runs = found.lines[:-1]
    heads = {key: head for key, head in _HEADS.items() if any(line.facts.get(key) is not None for line in runs)}
    facts = [[line.name, _bands(line.facts.get("bands")), *(line.facts.get(key) for key in heads)] for line in runs]
    rows = [
        (
            line.name,
            *(f"{score(v)} {ends(low, high)}".strip() for v, low, high in (line.overall[k] for k in SCORES)),
            difference_text(None if line.overall_apart is None else line.overall_apart[CHOSEN]),
        )
        for line in found.lines
    ]
    by_class = [
        (name, *(f"{score(v)} {ends(low, high)}".strip() for v, low, high in (line.iou[name] for line in found.lines)))
        for name in found.classes
    ]
    lines: list[str | Table] = []
    if heads:
        lines += [table(("run", "bands", *heads.values()), facts), ""]
    lines += [table(("run", *SCORES.values(), f"mean IoU less that of {found.against}"), rows), ""]
    lines += [table(("IoU of class", *(line.name for line in found.lines)), by_class), ""]
    return [*lines, found.verdict.sentence]


def _bands(names: object) -> str | None:
    """Write a few bands in full, and count many.

    >>> _bands(["red", "nir"]), _bands([f"B{n}" for n in range(12)])
    ('red,nir', '12: B0,B1 …')
    """
    if not isinstance(names, (list, tuple)):
        return None
    return ",".join(names) if len(names) <= 4 else f"{len(names)}: {','.join(names[:2])} …"


def recipes(name: str | None = None, /, *, general: General = General()) -> int:  # noqa: B008 - a frozen value
    """List the recipes of `compare`, or print one as a file to copy and change.

    Example: `hectares recipes losses > mine.yaml`, then `hectares compare chips comparison --recipe mine.yaml`

    Parameters
    ----------
    name
        A recipe.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.io.recipes import find_recipe, read_recipe, recipe_files

        if name is not None:
            path = find_recipe(name)
            text = path.read_text(encoding="utf-8")
            return Outcome({"name": name, "text": text}, text.splitlines())
        rows = [(stem, summary(path), ", ".join(read_recipe(path).runs)) for stem, path in recipe_files().items()]
        record = {stem: {"summary": told, "runs": runs.split(", ")} for stem, told, runs in rows}
        return Outcome({"recipes": record}, [table(("recipe", "what it asks", "runs"), rows)])

    return run_verb(general, None, work)
