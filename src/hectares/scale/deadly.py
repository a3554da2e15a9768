"""Batches that end whatever process computes them: found by their marks, given up, and few of them.

Only deaths that were watched count. A process that nobody watches may have been killed for any reason, and as often as
its user liked: its marks let a batch be computed first and alone, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hectares.core.window import Window
from hectares.errors import ResourceError
from hectares.io.artefact import read_json
from hectares.io.journal import give_up, given_up_in, marks_in, try_again
from hectares.io.outputs import work_path

DEATHS = 3
"""After so many deaths of watched processes a batch is given up."""
_FEW, _SHARE = 2, 100


def most_left_out(batches: int) -> int:
    """Give how many batches of a map may be left out: two, or one in a hundred.

    More are a machine that is too small, or a fault of the program, and no fault of places.
    """
    return max(_FEW, batches // _SHARE)


class DeathWatch:
    """Counts the deaths of watched processes by the batch that they were at, from the beginning of a command."""

    def __init__(self, targets: Sequence[Path]) -> None:
        """Begin for some maps; batches that an earlier command gave up are tried again."""
        self._targets = targets
        self._deaths: Counter[tuple[Path, int]] = Counter()
        for target in targets:
            try_again(work_path(target))
        self._seen = {mark for _, _, mark in self._marks()}

    @property
    def total(self) -> int:
        """Number of deaths whose place is known."""
        return self._deaths.total()

    def blame(self, is_dead: Callable[[str], bool], how: str) -> bool:
        """Count the marks of processes that died, and give up what ended three of them; True if there was any mark.

        `how` says in a few words how they ended. Raises ResourceError if more than a few batches would be left out.
        """
        before = self.total
        for target, batch, mark in self._marks():
            record = {} if mark in self._seen else _read(mark)
            if "by" not in record or not is_dead(record["by"]):
                continue
            self._seen.add(mark)
            self._deaths[target, batch] += 1
            if self._deaths[target, batch] == DEATHS:
                folder = work_path(target)
                give_up(folder, batch, {**record, "how": f"{DEATHS} processes that computed it {how}"})
                if len(given_up_in(folder)) > min(most_left_out(record["of"]), record["of"] - 1):
                    self._refuse(target, batch, record, how)
        return self.total > before

    def refuse_worst(self, how: str) -> None:
        """Raise ResourceError if processes died at a batch more than once, and say where that is."""
        for (target, batch), deaths in self._deaths.most_common(1):
            if deaths > 1:
                found = [record for t, n, m in self._marks() if (t, n) == (target, batch) and (record := _read(m))]
                self._refuse(target, batch, found[0] if found else {}, how)

    def _refuse(self, target: Path, batch: int, record: Mapping[str, Any], how: str) -> None:
        folder = work_path(target)
        others = len(set(given_up_in(folder)) - {batch})
        more = f", and at {others} other batch(es)" if others else ""
        try_again(folder)  # whoever goes on has more memory, or smaller tiles, or another file
        raise ResourceError(
            f"{target}: processes {how} {self._deaths[target, batch]} times at {_place(record)} of the scene (batch "
            f"{batch}){more}; memory may be short (fewer --workers, a smaller --tile-px or --batch), or the file is "
            "damaged there (`hectares check` reads all of it). What is finished is kept: the same command goes on"
        )

    def _marks(self) -> Iterator[tuple[Path, int, Path]]:
        for target in self._targets:
            for batch, marks in marks_in(work_path(target)).items():
                yield from ((target, batch, mark) for mark in marks)


def _read(mark: Path) -> dict[str, Any]:
    """Read a mark; {} if its writer died before it was whole, or the batch is done meanwhile."""
    try:
        found = read_json(mark)
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _place(record: Mapping[str, Any]) -> str:
    cores = [Window(*numbers) for numbers in record.get("windows", ())]
    if not cores:
        return "one place"
    rows = f"{min(w.row for w in cores)} to {max(w.row_end for w in cores)}"
    return f"rows {rows}, cols {min(w.col for w in cores)} to {max(w.col_end for w in cores)}"
