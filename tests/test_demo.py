"""The whole chain on a small generated town, as `hectares demo` runs it."""

import csv
import json

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from hectares.cli.main import run
from hectares.config.start import DemoConfig
from hectares.errors import ArtefactError, Interrupted
from hectares.monitor import QuietMonitor
from hectares.start import run_demo

pytest.importorskip("torch")

SMALL = DemoConfig(size_px=512, epochs=2, width=4)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "demo", SMALL)


def test_the_map_is_a_cog_on_the_grid_of_the_scene(demo):
    assert cog_validate(demo.class_map, quiet=True)[0]
    with rasterio.open(demo.scene) as scene, rasterio.open(demo.class_map) as class_map:
        assert (class_map.crs, class_map.transform, class_map.shape) == (scene.crs, scene.transform, scene.shape)
        assert class_map.nodata == 255
        assert class_map.colormap(1)[6][:3] == (61, 132, 198)


def test_nodata_in_is_nodata_out(demo):
    with rasterio.open(demo.scene) as scene, rasterio.open(demo.class_map) as class_map:
        empty = (scene.read() == 0).all(axis=0)
        assert empty.any()
        np.testing.assert_array_equal(class_map.read(1) == 255, empty)


def test_mapped_and_true_areas_cover_the_same_ground(demo):
    mapped, true = (json.loads(p.with_suffix(".json").read_text()) for p in (demo.areas, demo.reference_areas))
    assert (mapped["kind"], true["kind"]) == ("mapped", "reference")
    totals = [sum(row["area_ha"] for row in a["total"]) for a in (mapped, true)]
    assert totals[0] == pytest.approx(totals[1], rel=1e-12)
    assert totals[0] == pytest.approx(512 * 512 * 0.25 / 1e4, rel=2e-3)  # UTM is off by less than that
    nodata = [next(r["pixels"] for r in a["total"] if r["class_name"] == "nodata") for a in (mapped, true)]
    assert nodata[0] == nodata[1] > 0


def test_zones_add_up_to_the_total(demo):
    with demo.areas.open(newline="") as file:
        rows = list(csv.DictReader(file))
    total = json.loads(demo.areas.with_suffix(".json").read_text())["total"]
    assert len({row["zone"] for row in rows}) > 1
    assert sum(int(row["pixels"]) for row in rows) == sum(row["pixels"] for row in total)


def test_scores_come_from_ground_that_training_never_saw(demo):
    evaluation = json.loads(demo.evaluation.read_text())
    assert evaluation["scored_px"] > 200_000
    assert 0 < evaluation["overall"]["mean_iou"] < 1
    with rasterio.open(demo.class_map) as class_map:
        assert json.loads(class_map.tags()["HECTARES_PROVENANCE"])["trained_on"] == []


def test_the_report_is_one_file_that_needs_no_network(demo):
    page = demo.report.read_text(encoding="utf-8")
    assert "building" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_a_finished_demo_is_refused_and_an_interrupted_one_goes_on(demo, tmp_path):
    with pytest.raises(ArtefactError, match="--overwrite"):
        run_demo(demo.folder, SMALL)

    class StopWhenPredicting(QuietMonitor):
        stage = ""

        def progress(self, stage, done, total, note=""):
            self.stage = stage

        def raise_if_stopped(self):
            if self.stage == "predicting":
                raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        run_demo(tmp_path / "demo", SMALL, monitor=StopWhenPredicting())
    again = run_demo(tmp_path / "demo", SMALL)
    assert "train" not in again.seconds
    assert again.class_map.read_bytes() == demo.class_map.read_bytes()


def test_the_command_shows_scores_areas_beside_the_truth_and_where_results_are(tmp_path, capsys):
    line = ["demo", str(tmp_path / "demo"), "--size-px", "256", "--epochs", "1", "--width", "2", "-q"]
    assert run(line) == 0
    text = capsys.readouterr().out
    for said in ("mean IoU", "mapped ha", "true ha", "report.html", "map.tif", "Next:"):
        assert said in text
