"""The command `verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from hectares.cli.console import ConsoleMonitor, Line
from hectares.cli.options import General
from hectares.cli.running import OPTIONS, Outcome, keep_memory, run_verb
from hectares.config.verify import VerifyConfig
from hectares.errors import ArtefactError


def verify(
    file: Path,
    /,
    *,
    config: Annotated[VerifyConfig, OPTIONS] = VerifyConfig(),  # noqa: B008 - a frozen value
    general: General = General(),  # noqa: B008
) -> int:
    """Prove that a file is what was written, and that it follows from what it names.

    A class map: all its bytes, what lies beside it, its scene and its segmenter, and some windows predicted again.
    Areas are measured again, scores computed again; chips, runs and segmenters are compared with their hashes.
    Nothing is written. Exit code 4 if anything differs, with a line for each.

    Example: `hectares verify map.tif --scene scene.tif --run run`

    Parameters
    ----------
    file
        A class map, areas, an evaluation, a sample, chips, a run or a segmenter.
    """
    proven = [True]

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.verify import verify_file

        keep_memory()
        found = verify_file(file, config, monitor=monitor)
        proven[0] = found.is_proven
        lines: list[Line] = [f"  agrees: {text}" for text in found.agrees]
        lines += [f"  not proven: {text}" for text in found.unproven]
        lines += [f"  DIFFERS: {mismatch}" for mismatch in found.mismatches]
        count = len(found.mismatches)
        verdict = "nothing differs from what was recorded" if found.is_proven else f"{count} difference(s)"
        lines.append(f"{file}: {found.kind}, {verdict}")
        record = {"file": file, "kind": found.kind, "proven": found.is_proven, "agrees": found.agrees}
        record |= {"unproven": found.unproven, "mismatches": [asdict(m) for m in found.mismatches]}
        return Outcome(record, lines)

    code = run_verb(general, config, work)
    return code if proven[0] else ArtefactError.exit_code
