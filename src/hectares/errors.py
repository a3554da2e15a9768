"""Everything that can go wrong, drawn as a tree, and the exit code of each branch.

    HectaresError                  1  our own bug if nothing more specific fits
    ├── ConfigError (ValueError)   2  an option or a config file is wrong
    ├── MissingExtraError          2  an optional dependency is not installed (ImportError)
    ├── InputError (ValueError)    4  a file of the user is refused
    │   ├── RasterError               not a raster we read, or damaged
    │   ├── GridError                 place: CRS, transform, shape
    │   ├── GsdError                  ground sampling distance
    │   ├── LegendError               classes, codes, colors
    │   ├── BandError                 bands missing, too many, misnamed
    │   ├── CatalogError              scenes, labels, splits
    │   └── VectorError               zones and other vector layers
    ├── ArtefactError              4  an artefact is missing, damaged, in the way, or of another version
    ├── TrainingError              4  training cannot go on: the loss is not finite
    ├── ResourceError              5  disk, memory or device is exhausted
    └── Interrupted                6  stopped by the user; the same command goes on

A message says what was found and where, what was expected, and what to do about it.
"""

from __future__ import annotations

from typing import ClassVar


class HectaresError(Exception):
    """The root of all errors of this package."""

    exit_code: ClassVar[int] = 1


class ConfigError(HectaresError, ValueError):
    """An option, a command line or a config file is wrong."""

    exit_code = 2


class MissingExtraError(HectaresError, ImportError):
    """An optional dependency is not installed."""

    exit_code = 2


class InputError(HectaresError, ValueError):
    """A file of the user cannot be used."""

    exit_code = 4


class RasterError(InputError):
    """A file is not a raster we read, or its pixels are damaged."""


class GridError(InputError):
    """A CRS, transform or shape is missing or does not fit."""


class GsdError(InputError):
    """A ground sampling distance is missing or does not fit."""


class LegendError(InputError):
    """A class, code or color is unknown or contradicts itself."""


class BandError(InputError):
    """Bands are missing, too many, or misnamed."""


class CatalogError(InputError):
    """Scenes, labels or splits do not fit together."""


class VectorError(InputError):
    """A vector layer cannot be used."""


class ArtefactError(HectaresError):
    """An artefact is missing, damaged, in the way, or of another version."""

    exit_code = 4


class TrainingError(HectaresError):
    """Training cannot go on."""

    exit_code = 4


class ResourceError(HectaresError):
    """Disk, memory or device is exhausted."""

    exit_code = 5


class Interrupted(HectaresError):  # noqa: N818 - a stop is no error, but travels the same way
    """The user stopped the work; the same command goes on from where it stood."""

    exit_code = 6
