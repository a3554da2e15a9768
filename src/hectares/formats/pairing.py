"""Images and labels that belong together, by an id in their names; the order of files never counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hectares.config.source import SourceConfig
from hectares.errors import CatalogError
from hectares.formats.registry import Format
from hectares.io.catalog import Catalog, CatalogScene, ImageFile, LabelRules, RasterLabel
from hectares.monitor import Monitor, Problem

_SHOWN = 5


# --- Files ------------------------------------------------------------------------------------------------


def root_of(source: Path, names: Collection[str]) -> Path:
    """Give the folder above a source that is one of the folders of a layout, else the source itself."""
    root = source.absolute() if source.name else Path.cwd()
    while root.name.lower() in names and root.parent != root:
        root = root.parent
    return root


def by_id(
    files: Iterable[Path], pattern: str, name: Callable[[re.Match[str]], str], *, prefer: Sequence[str] = ()
) -> dict[str, Path]:
    """Give files by id: those whose path ends as the pattern says, in capital or small letters.

    `name` makes the id of a match. Of two files for one id the one below a folder that is named earlier in
    `prefer` counts; otherwise CatalogError names both.
    """
    ending = re.compile(f"(?:^|/){pattern}$", re.IGNORECASE)
    found: dict[str, tuple[int, Path]] = {}
    for path in files:
        match = ending.search(path.absolute().as_posix())
        if match is None:
            continue
        folder = path.parent.name.lower()
        rank = next((i for i, part in enumerate(prefer) if part in folder), len(prefer))
        key = name(match)
        known = found.get(key)
        if known is not None and known[0] == rank:
            raise CatalogError(f"{known[1]} and {path}: two files for {key}; keep one of them")
        if known is None or rank < known[0]:
            found[key] = rank, path
    return {key: path for key, (_, path) in sorted(found.items(), key=lambda item: _natural(item[0]))}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts 2_10 before 10_2."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


# --- Pairs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """Files of one kind by id."""

    kind: str
    """What they are, in messages: RGB, label."""
    files: Mapping[str, Path]
    example: str
    """Where such a file lies, for messages."""
    choice: str = ""
    """The choice of --images that it is, if that has another name than `kind`."""

    def without(self, ids: Collection[str]) -> Column:
        """Leave out ids."""
        return replace(self, files={i: path for i, path in self.files.items() if i not in ids})


def _own_group(name: str) -> str:
    return name


def _no_split(_name: str) -> str | None:
    return None


@dataclass(frozen=True)
class Pairs:
    """What a reader found, and what an id tells."""

    source: Path
    images: Sequence[Column]
    """Columns of --images; the first gives the grid."""
    label: Column
    others: Sequence[Column] = ()
    """What else a scene needs, such as its place in a list."""
    group_of: Callable[[str], str] = _own_group
    split_of: Callable[[str], str | None] = _no_split
    hint: str = ""
    """What often is the cause if something is missing."""

    def catalog(
        self, layout: Format, config: SourceConfig, monitor: Monitor, *, rules: LabelRules | None = None
    ) -> Catalog:
        """Give the catalog of all complete scenes. Raises CatalogError naming what is missing on either side."""
        by = layout.choose_by(config)
        scenes = tuple(
            CatalogScene(
                id=name,
                images=tuple(
                    ImageFile(c.files[name], layout.bands.get(c.choice or c.kind), layout.crs) for c in self.images
                ),
                label=RasterLabel(self.label.files[name], by),
                group=self.group_of(name),
                split=self.split_of(name),
                gsd_m=layout.gsd_m,
            )
            for name in self._complete(layout, config, monitor)
        )
        return Catalog(scenes, layout.choose_legend(config), rules or layout.choose_rules(config))

    def without_unlabelled(self, ids: Iterable[str]) -> Pairs:
        """Leave out those of some ids that have no label: official test scenes whose labels are not public."""
        unlabelled = {name for name in ids if name not in self.label.files}
        return replace(
            self,
            images=[c.without(unlabelled) for c in self.images],
            others=[c.without(unlabelled) for c in self.others],
        )

    def _complete(self, layout: Format, config: SourceConfig, monitor: Monitor) -> list[str]:
        columns = [*self.images, self.label, *self.others]
        hint = f". {self.hint}" if self.hint else ""
        empty = [c for c in columns if not c.files]
        if empty:
            wanted = ", ".join(f"{c.example} ({c.kind})" for c in empty)
            raise CatalogError(
                f"{self.source}: is not the layout {layout.name}: nothing like {wanted} in it{hint}; "
                f"see hectares formats {layout.name}"
            )
        names = sorted({name for c in columns for name in c.files}, key=_natural)
        complete = [name for name in names if all(name in c.files for c in columns)]
        if len(complete) < len(names):
            what = "; ".join(filter(None, (self._lack(c, names, columns) for c in columns)))
            if not config.allow_unmatched:
                raise CatalogError(
                    f"{self.source}: {what}{hint}; complete them, or leave them out with --allow-unmatched"
                )
            monitor.problem(Problem(str(self.source), what, "they are left out", "incomplete"))
        if not complete:
            raise CatalogError(f"{self.source}: no scene is complete; its ids begin with {', '.join(names[:3])}")
        return complete

    def _lack(self, column: Column, names: Sequence[str], columns: Sequence[Column]) -> str:
        lacking = [name for name in names if name not in column.files]
        if not lacking:
            return ""
        files = [next(c.files[name] for c in columns if name in c.files) for name in lacking[:_SHOWN]]
        shown = ", ".join(p.relative_to(self.source).as_posix() for p in files)
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        return f"{len(lacking)} without {column.kind}: {shown}{more}"


def split_in(layout: Format) -> Callable[[str], str | None]:
    """Give a function that tells the official split of an id."""
    splits = {name: split for split, names in layout.splits.items() for name in names}
    return splits.get
