"""Options as they stand in a file become the fields of a config."""

from __future__ import annotations

import pytest

from hectares.config.filling import fill
from hectares.config.train import TrainConfig
from hectares.errors import ConfigError


def test_values_of_a_file_become_those_of_the_config():
    options = {"batch": "auto", "steps-per-epoch": "5", "lr": "1e-3", "drop_at": [2, "4"], "schedule": "drop"}
    config = fill(TrainConfig, {**options, "compile": "yes", "encoder": None, "mix": "more=0.5"}, "here")
    assert (config.batch, config.steps_per_epoch, config.lr, config.drop_at) == ("auto", 5, 0.001, (2, 4))
    assert (config.compile, config.encoder, config.mix) == (True, None, ("more=0.5",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, r"here: the option 'epoch' is unknown; did you mean epochs"),
        ({"xyzzy": 3}, r"here: the option 'xyzzy' is unknown; known: bands, network"),
        ({"epochs": 2.5}, r"here: epochs is 2\.5; expected a whole number"),
        ({"epochs": True}, r"here: epochs is True; expected a whole number"),
        ({"optimizer": "adagrad"}, r"optimizer is 'adagrad'; expected adam or adamw"),
        ({"batch": "many"}, r"batch is 'many'; expected a whole number or auto"),
        ({"compile": "perhaps"}, r"compile is 'perhaps'; expected true or false"),
        ({"epochs": 0}, r"here: --epochs is 0; expected at least 1"),
        ({"drop-at": 2, "drop_at": 3}, r"drop_at stands twice"),
        ({"bands": ["red"]}, r"bands is \['red'\]; expected a text"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_place_and_the_way_out(options, message):
    with pytest.raises(ConfigError, match=message):
        fill(TrainConfig, options, "here")
