"""Option values from a preset, a YAML file and `--set`, each over the one before and under the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hectares.errors import ConfigError, InputError

if TYPE_CHECKING:
    from cyclopts.config import Dict


def settings_from(tokens: Sequence[str], commands: Sequence[str]) -> Dict | None:
    """Read `--preset NAME`, `--config FILE` and `--set COMMAND.OPTION=VALUE`; None if there are none."""
    preset, file = _last_value(tokens, "--preset"), _last_value(tokens, "--config")
    content = option_sections(preset, None if file is None else Path(file), commands)
    for assignment in _values(tokens, "--set"):
        target, equals, value = assignment.partition("=")
        command, dot, option = target.partition(".")
        if not (equals and dot and option) or command not in commands:
            raise ConfigError(f"--set {assignment!r} is not COMMAND.OPTION=VALUE; for example --set train.lr=1e-4")
        _lay_over(content, {command: {option.replace("_", "-"): value}})
    split = _last_value(tokens, "--split")
    if split is not None and "prepare" in content:
        _leave_split(content["prepare"], split)
    if not content:
        return None
    from cyclopts.config import Dict

    return Dict(content, source=file or preset or "--set")


def option_sections(preset: str | None, file: Path | None, commands: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give the options of a preset, and those of a file over them, by command."""
    content: dict[str, dict[str, Any]] = {}
    if preset is not None:
        from hectares.cli.presets import find_preset

        _lay_over(content, _read_file(find_preset(preset), commands))
    if file is not None:
        _lay_over(content, _read_file(file, commands))
    return content


def _lay_over(content: dict[str, dict[str, Any]], sections: dict[str, dict[str, Any]]) -> None:
    for command, options in sections.items():
        if command == "prepare" and "split" in options:
            _leave_split(content.get(command, {}), str(options["split"]))
        content.setdefault(command, {}).update(options)


def _leave_split(options: dict[str, Any], split: str) -> None:
    """Drop what an earlier layer says of its way to split, where another way is asked for over it."""
    from hectares.config.prepare import SPLIT_OPTIONS

    used_by = {"group", "block"} if split == "auto" else {split}
    for name, kinds in SPLIT_OPTIONS.items():
        if not used_by & set(kinds):
            options.pop(name.replace("_", "-"), None)


def _read_file(path: Path, commands: Sequence[str]) -> dict[str, dict[str, Any]]:
    from hectares.io.yaml import read_yaml

    try:
        content = read_yaml(path)
    except InputError as error:
        raise ConfigError(f"--config {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a section for each command, such as train:")
    sections = {}
    for name, options in content.items():
        if name not in commands:
            raise ConfigError(f"{path}: section {name!r} is no command; known: {', '.join(commands)}")
        if options is not None and not isinstance(options, dict):
            raise ConfigError(f"{path}: section {name!r} is {options!r}; expected options with values")
        given = {str(k).replace("_", "-"): v for k, v in (options or {}).items() if v is not None}
        sections[str(name)] = {k: str(v) if not isinstance(v, (list, bool)) else v for k, v in given.items()}
    return sections


def _values(tokens: Sequence[str], option: str) -> list[str]:
    found = []
    for i, token in enumerate(tokens):
        if token == "--":  # noqa: S105 - a word of the command line
            break
        if token == option and i + 1 < len(tokens):
            found.append(tokens[i + 1])
        elif token.startswith(f"{option}="):
            found.append(token.partition("=")[2])
    return found


def _last_value(tokens: Sequence[str], option: str) -> str | None:
    values = _values(tokens, option)
    return values[-1] if values else None
