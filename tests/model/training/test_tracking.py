import contextlib
import sqlite3

import lightning.pytorch.loggers
import pytest

from hectares.errors import ConfigError
from hectares.model.training.tracking import forward_rows, open_loggers
from hectares.monitor import QUIET, QuietMonitor


class _Refusing:
    def __init__(self, **_: object) -> None:
        pass

    def log_hyperparams(self, _: object) -> None:
        raise RuntimeError("the store is of\n a newer version")


class _FullDisk:
    logged = 0

    def log_metrics(self, *_: object, **__: object) -> None:
        self.logged += 1
        raise OSError("no space left")


class _Notes(QuietMonitor):
    def __init__(self):
        self.problems = []

    def problem(self, problem):
        self.problems.append(problem)


def test_a_log_that_cannot_be_opened_is_one_sentence_before_training_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(lightning.pytorch.loggers, "MLFlowLogger", _Refusing)
    with pytest.raises(
        ConfigError, match=r"--log mlflow: .*mlflow cannot be opened \(the store is of a newer version\)"
    ):
        open_loggers(["mlflow"], tmp_path, "run", {"lr": 0.1})


def test_a_log_that_fails_later_is_dropped_with_a_word():
    failing, notes = _FullDisk(), _Notes()
    forward = forward_rows([failing], notes)
    for epoch in (1, 2):
        forward([{"epoch": epoch, "val_loss": 0.5}])
    assert failing.logged == 1
    assert "no space left" in str(notes.problems)


def test_mlflow_keeps_every_epoch_in_a_database_in_the_run(tmp_path):
    pytest.importorskip("mlflow")
    forward = forward_rows(open_loggers(["mlflow"], tmp_path, "run", {"lr": 0.1}), QUIET)
    forward([{"epoch": 1, "val_loss": 0.5}])
    forward([{"epoch": 2, "val_loss": 0.25}])
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow" / "mlflow.db")) as database:
        assert database.execute("select step, value from metrics order by step").fetchall() == [(1, 0.5), (2, 0.25)]
