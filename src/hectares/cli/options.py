"""Options that every command has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

_EVERYWHERE = Group("Everywhere", sort_key=99)


@Parameter(name="*", group=_EVERYWHERE)
@dataclass(frozen=True, slots=True)
class General:
    """Options of every command."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print the result as JSON on standard output."""
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False
    """Say more."""
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False
    """Show no progress."""
    debug: Annotated[bool, Parameter(negative="")] = False
    """Show where an error came from."""
    config: Path | None = None
    """YAML file of options, with a section for each command; the command line counts more."""
    set: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    """An option of the file from here, as COMMAND.OPTION=VALUE; may be given several times."""
    print_config: Annotated[bool, Parameter(negative="")] = False
    """Print the options as they are after file and command line, and do nothing."""


@Parameter(name="*", group=_EVERYWHERE)
@dataclass(frozen=True, slots=True)
class Writing(General):
    """Options of every command that writes."""

    preset: str | None = None
    """Options of a known recipe, under those of the file and of the command line; see `hectares presets`."""
    overwrite: Annotated[bool, Parameter(negative="")] = False
    """Replace an existing result; the old one stays until the new one is complete."""
