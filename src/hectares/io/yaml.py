"""YAML files, read strictly: no tags, no aliases, no key twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from hectares.errors import InputError

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


def _refuse_huge(path: Path) -> None:
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path}: is larger than {_MAX_BYTES // 2**20} MiB; that is no config or legend")


def read_yaml(path: Path) -> Any:  # YAML is what it is
    """Read a YAML file. Raises InputError naming the line."""
    try:
        _refuse_huge(path)
        return yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_StrictLoader)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except InputError:
        raise
    except (yaml.YAMLError, RecursionError, TypeError, ValueError) as error:  # an impossible key, date or number
        raise InputError(f"{path}: is not valid YAML ({' '.join(str(error).split())})") from error
