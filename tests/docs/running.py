"""Runs the pages of the tutorials: their commands through the command line in this process, their Python as it is."""

from __future__ import annotations

import importlib.util
import re
import shlex
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent
TUTORIALS = ROOT / "docs" / "tutorials"
_FINDINGS_MAY_BE = "|| true"
"""A line of this end may say that there is something to look at, which is exit code 3, and nothing worse."""


def load_tool(name: str) -> ModuleType:
    """Give a file of docs/tools as a module."""
    path = ROOT / "docs" / "tools" / f"{name}.py"
    if name in sys.modules:
        return sys.modules[name]
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def shortened(page: str, options: Mapping[str, str]) -> str:
    """Give a page whose commands have further options: `options` by how a command begins; the first counts."""
    lines = page.replace("\\\n", " ").splitlines(keepends=True)
    for number, line in enumerate(lines):
        for begin, extra in options.items():
            if line.startswith(f"hectares {begin}"):
                lines[number] = _with_options(line.rstrip("\n"), extra) + "\n"
                break
    return "".join(lines)


def _with_options(line: str, extra: str) -> str:
    command, bars, rest = line.partition(_FINDINGS_MAY_BE)
    command = command.split("  #")[0].rstrip()
    for name in re.findall(r"--[\w-]+", extra):
        command = re.sub(rf" {name}(?: (?!--)\S+)?(?= |$)", "", command)
    return f"{command} {extra} {bars}{rest}".rstrip()


def without_training(page: str) -> str:
    """Give the part of a page before its first training."""
    return page.split("\nhectares train", maxsplit=1)[0].rsplit("\n```sh", 1)[0] + "\n"


def run_page(page: str, *, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Run all blocks of a page in the current folder, and give the commands that ran."""
    names: dict[str, object] = {"__name__": "__main__"}
    ran: list[str] = []
    for number, block in enumerate(load_tool("notebooks").blocks_of(page), start=1):
        if block.kind == "python":
            exec(compile(block.text, f"block {number}", "exec"), names)
        elif block.kind == "sh" and not block.settings:
            for line in block.commands:
                _run_line(line, folder, environment)
                ran.append(line)
    return ran


def _run_line(line: str, folder: Path, environment: Mapping[str, str]) -> None:
    if not line.startswith("hectares "):
        subprocess.run(["bash", "-ec", line], cwd=folder, env=environment, check=True)
        return
    command, bars, _ = line.partition(_FINDINGS_MAY_BE)
    code = run_tokens(shlex.split(string.Template(command).substitute(environment), comments=True)[1:])
    assert code in ({0, 3} if bars else {0}), f"exit code {code} of: {line}"


def run_tokens(tokens: Sequence[str]) -> int:
    """Run a command line in this process, without bars."""
    from hectares.cli.main import run

    return run([*tokens, "--quiet"])
