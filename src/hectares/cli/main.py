"""The command line: parse, call one verb, say where the result is."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Collection, Sequence

from cyclopts import App, CycloptsError, Group

from hectares import __version__
from hectares.cli.commands import GROUPS, NAMES, find_command
from hectares.cli.console import show_error, stderr
from hectares.cli.settings import settings_from
from hectares.errors import ConfigError, HectaresError, InputError, ResourceError

_EPILOGUE = "Start with: hectares demo. Help on a command: hectares COMMAND --help"


def build_app(whole: Collection[str] = NAMES) -> App:
    """Assemble the commands: some whole, of the others what the list of commands shows."""
    app = App(
        name="hectares",
        help="From satellite image to hectares: train a segmenter, map whole scenes, measure area.",
        help_epilogue=_EPILOGUE,
        help_format="plaintext",
        version=__version__,
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # it would end with 130 and without a word
    )
    for place, (title, listed) in enumerate(GROUPS.items()):
        group = Group(title, sort_key=place)
        for position, (name, (_, line)) in enumerate(listed.items()):
            if name in whole:
                app.command(find_command(name), group=group, sort_key=position, help_format="markdown")
            else:
                app.command(App(name=name, help=line, group=group, sort_key=position))
    also = Group("Also", sort_key=len(GROUPS))
    for flag in ("--help", "--version"):
        app[flag].group = (also,)
    return app


def run(tokens: Sequence[str]) -> int:
    """Run a command line and give its exit code."""
    as_json = "--json" in tokens
    debug = "--debug" in tokens
    logging.basicConfig(level=logging.DEBUG if {"-v", "--verbose"} & set(tokens) else logging.ERROR)
    app = build_app(set(tokens) & set(NAMES))
    try:
        _refuse_empty(tokens)
        app.config = settings_from(tokens, NAMES) or ()
        result = app(list(tokens), exit_on_error=False, print_error=False)
        return result if isinstance(result, int) else 0
    except HectaresError as error:
        if debug:
            stderr.print_exception()
        return show_error(error, as_json=as_json)
    except CycloptsError as error:
        if debug:
            stderr.print_exception()
        return show_error(ConfigError(f"{' '.join(str(error).split())} Help: {_help_hint(tokens)}"), as_json=as_json)
    except KeyboardInterrupt:
        stderr.print("stopped at once; the same command goes on from the last finished step")
        return 6
    except BrokenPipeError:
        return 0
    except (MemoryError, OSError) as error:
        refused = _refused_by_system(error)
        if refused is None:
            raise
        if debug:
            stderr.print_exception()
        return show_error(refused, as_json=as_json)


def _refuse_empty(tokens: Sequence[str]) -> None:
    """Raise ConfigError for an empty argument: as a path it would mean the current folder."""
    for number, token in enumerate(tokens, start=1):
        name, _, value = token.partition("=")
        if not token or (token.startswith("--") and token != name and not value):
            shown = f"{name}= has no value" if token else f"argument {number} is empty ('')"
            raise ConfigError(
                f"{shown}, as a shell variable that is not set gives it; write a name, or . for the current folder"
            )


def _refused_by_system(error: MemoryError | OSError) -> HectaresError | None:
    """Give the sentence for what no verb could foresee; None for an error that says too little to be one."""
    if isinstance(error, MemoryError):
        why = f" ({error})" if str(error) else ""
        return ResourceError(f"memory is not enough{why}; choose smaller chips, tiles or batches")
    if error.filename is None and error.errno == errno.ENOSPC:
        return ResourceError("the disk is full that the answer is written to; free some space")
    if error.filename is None or error.strerror is None:
        return None
    what = f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, FileNotFoundError):
        return InputError(f"{os.fsdecode(error.filename)}: there is no such file")
    if isinstance(error, PermissionError):
        return InputError(f"{what}; change its permissions, or choose another")
    return ResourceError(f"{what}; the same command goes on once this is mended")


def _help_hint(tokens: Sequence[str]) -> str:
    command = next((t for t in tokens if t in NAMES), "")
    return f"hectares {command} --help".replace("  ", " ")


def main() -> None:
    """Entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a class may be named in letters that a terminal does not have
    sys.exit(run(sys.argv[1:]))
