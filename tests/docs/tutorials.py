"""What the tutorials are run with in tests: their data, small settings, and options that make them short."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from docs import data_sets, running

SHORT = "--epochs 1 --steps-per-epoch 2 --batch 2"
SMALL_ENCODER = "--encoder mobilenet_v2 --network-option depth=3 --weights none --ema 0.5"


@dataclass(frozen=True)
class Case:
    """Data for a page, and what makes it short."""

    write: Callable[[Path], None] | None
    settings: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "crowdai-roofs": Case(
        data_sets.write_roofs,
        {"LIMIT": "9"},
        {
            "prepare crowdai $DATA chips-modern": "--chip-px 150",
            "train chips run ": f"{SHORT} --width 4",
            "train chips-modern": f"{SHORT} {SMALL_ENCODER}",
        },
    ),
    "dstl": Case(
        data_sets.write_dstl,
        {"EPOCHS": "1", "STEPS": "1"},
        {
            "prepare dstl": "--chip-px 64",
            "train chips run ": "--batch 2 --width 4",
            "train chips-modern": f"{SHORT} {SMALL_ENCODER}",
            "train chips-map": f"{SHORT} {SMALL_ENCODER}",
        },
    ),
    "potsdam-areas": Case(
        data_sets.write_potsdam,
        {},
        {
            "prepare potsdam $DATA chips-modern": "--chip-px 64",
            "prepare potsdam": "--chip-px 32",
            "sample": "--size 60",
            "train chips run ": f"{SHORT} --width 4",
            "train chips-modern": f"{SHORT} {SMALL_ENCODER}",
        },
    ),
    "leaf-types": Case(
        data_sets.write_leaftype,
        {},
        {
            "prepare leaftype $DATA chips ": "--counts 4,1,1",
            "train chips run ": f"{SHORT} --width 4",
            "train chips-modern": f"{SHORT} {SMALL_ENCODER}",
            "compare": f"{SHORT} --train width=4",
            "sample": "--size 40",
        },
    ),
    "dfc2019": Case(
        data_sets.write_dfc2019,
        {"LIMIT": "9"},
        {
            "prepare dfc2019 $DATA chips-modern": "--chip-px 64",
            "prepare dfc2019 $DATA whole": "--resize-px 32 --chip-px 32 --stride-px 32",
            "prepare dfc2019": "--chip-px 32",
            "train chips run ": f"{SHORT} --width 4",
            "train chips-modern": f"{SHORT} {SMALL_ENCODER}",
        },
    ),
    "own-orthophoto": Case(
        None,
        {"SIZE": "256", "POINTS": "60"},
        {
            "demo": "--epochs 1 --width 2",
            "prepare": "--chip-px 32 --block-px 64",
            "train chips run ": f"{SHORT} --encoder mobilenet_v2 --network-option depth=3",
            "train chips run-modern": f"{SHORT} {SMALL_ENCODER}",
        },
    ),
}


def made_small(name: str, folder: Path) -> tuple[str, dict[str, str]]:
    """Write the data of a page into a folder, and give the page with short commands, and its environment."""
    case = CASES[name]
    page = running.shortened((running.TUTORIALS / f"{name}.md").read_text(encoding="utf-8"), case.options)
    settings = settings_of(page) | dict(case.settings)
    if case.write is not None:
        case.write(folder / settings["DATA"])
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return page, os.environ | settings | {"PATH": programs}


def settings_of(page: str) -> dict[str, str]:
    """Give the settings that a page starts with."""
    blocks = running.load_tool("notebooks").blocks_of(page)
    return {setting: value for block in blocks for setting, value, _ in block.settings}
