"""TensorBoard and MLflow, fed once an epoch. A log that cannot be written never stops training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from hectares.errors import ConfigError, MissingExtraError
from hectares.monitor import Monitor, Problem


def open_loggers(names: Sequence[str], folder: Path, title: str, facts: Mapping[str, Any]) -> list[Logger]:
    """Open the loggers of these names in a folder. Raises MissingExtraError saying what to install."""
    return [_open(name, folder / name, title, facts) for name in names]


def _open(name: str, folder: Path, title: str, facts: Mapping[str, Any]) -> Logger:
    try:
        if name == "tensorboard":
            from lightning.pytorch.loggers import TensorBoardLogger

            board = TensorBoardLogger(folder, name="", version="")
            _ = board.experiment  # imports what may be missing
            logger: Logger = board
        else:
            from lightning.pytorch.loggers import MLFlowLogger

            folder.mkdir(parents=True, exist_ok=True)
            place = f"sqlite:///{folder.resolve() / 'mlflow.db'}"  # MLflow has given up folders of files
            logger = MLFlowLogger(experiment_name="hectares", run_name=title, tracking_uri=place)
        logger.log_hyperparams(dict(facts))
    except ImportError as error:
        raise MissingExtraError(f"--log {name} needs an extra: pip install 'hectares[{name}]'") from error
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise ConfigError(f"--log {name}: {folder} cannot be opened ({said}); leave --log {name} out") from error
    return logger


def forward_rows(loggers: Sequence[Logger], monitor: Monitor) -> Callable[[Sequence[Mapping[str, float]]], None]:
    """Give a function that logs the last row; a logger that fails is dropped, with a word to the user."""
    alive = list(loggers)

    def forward(rows: Sequence[Mapping[str, float]]) -> None:
        row = dict(rows[-1])
        for logger in list(alive):
            try:
                logger.log_metrics({k: v for k, v in row.items() if k != "epoch"}, step=round(row["epoch"]))
                logger.save()
            except Exception as error:  # noqa: BLE001 - a log line is not worth a training
                alive.remove(logger)
                what = f"cannot log: {' '.join(str(error).split())[:200]}"
                monitor.problem(Problem(type(logger).__name__, what, "training goes on without it"))

    return forward
