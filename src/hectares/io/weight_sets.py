"""The table of published weights, and orders of their bands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hectares.core.weight_sets import WeightSet, WeightSets, known_bands
from hectares.errors import InputError
from hectares.io.artefact import sha256_file
from hectares.io.yaml import read_yaml

TABLE = Path(__file__).with_name("weight_sets.yaml")


def read_weight_sets(path: Path = TABLE) -> WeightSets:
    """Read the table. Raises InputError naming the entry that is wrong.

    >>> read_weight_sets().sets["ssl4eo-s12-resnet50-moco"].encoder
    'resnet50'
    """
    content: Any = read_yaml(path)
    try:
        bands = {
            str(name): known_bands([str(b) for b in order], [float(nm) for nm in order.values()])
            for name, order in content["bands"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: bands are not tables of names and centers in nm ({error!r})") from error
    sets = {}
    for name, entry in content.get("sets", {}).items():
        try:
            texts = {k: str(v) for k, v in entry.items() if k != "bands"}
            sets[str(name)] = WeightSet(name=str(name), bands=bands[entry["bands"]], **texts)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: sets: {name}: is not complete ({error})") from error
    return WeightSets(bands, sets)


def weights_input(text: str) -> dict[str, str]:
    """Give the hash of the file that weights are taken from, as an input; {} for weights known by a name.

    >>> weights_input("none")
    {}
    """
    path = Path(text.partition("#sha256=")[0])
    return {"weights": sha256_file(path)} if path.is_file() else {}
