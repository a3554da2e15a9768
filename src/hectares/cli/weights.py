"""The command that lists published weights to start an encoder from."""

from __future__ import annotations

from hectares.cli.console import ConsoleMonitor, table
from hectares.cli.options import General
from hectares.cli.running import Outcome, run_verb
from hectares.errors import ConfigError


def weights(name: str | None = None, /, *, general: General = General()) -> int:  # noqa: B008 - a frozen value
    """List pretrained weights that `train --weights` knows by name, or describe a set of them.

    Besides these, --weights takes imagenet, a repository as hf-hub:ORG/NAME, and any file of weights. Nothing is
    fetched without --weights-download.

    Example: `hectares weights ssl4eo-s12-resnet50-moco`

    Parameters
    ----------
    name
        A set of weights.
    """

    def work(_: ConsoleMonitor) -> Outcome:
        from hectares.io.weight_sets import read_weight_sets

        sets = read_weight_sets().sets
        if name is None:
            rows = [(s.name, s.encoder, s.license, s.summary) for s in sets.values()]
            return Outcome({"weights": [r[0] for r in rows]}, [table(("weights", "encoder", "license", "what"), rows)])
        if name not in sets:
            raise ConfigError(f"weights {name!r} are unknown; known: {', '.join(sets)}")
        found = sets[name]
        record = {
            "name": found.name,
            "summary": found.summary,
            "encoder": found.encoder,
            "bands": [b.name for b in found.bands],
            "scaling": found.scaling,
            "license": found.license,
            "from": f"hf-hub:{found.hub}@{found.revision}/{found.file}",
            "sha256": found.sha256,
        }
        facts = [(key, ", ".join(value) if isinstance(value, list) else value) for key, value in record.items()]
        return Outcome(record, [table(("", ""), facts)])

    return run_verb(general, None, work)
