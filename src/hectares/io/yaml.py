"""YAML files, read strictly: no tags, no aliases, no key twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from hectares.errors import InputError
from hectares.io.text import read_text

_MAX_BYTES = 2**22


class _StrictLoader(yaml.SafeLoader):
    """The safe loader, minus what surprises people."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {event.start_mark.line + 1}: aliases (*name) are not read; write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes `1e-3` for text; people who write learning rates do not.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> Any:  # YAML is what it is
    """Read a YAML file. Raises InputError naming the line."""
    return parse_yaml(read_text(path, limit=_MAX_BYTES), path)


def parse_yaml(text: str, path: Path) -> Any:  # YAML is what it is
    """Read YAML that stands in a file. Raises InputError naming the line."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:  # an impossible key, date or number
        raise InputError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error
