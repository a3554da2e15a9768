"""Networks as ONNX graphs."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from hectares.errors import ArtefactError
from hectares.model.networks.zoo import AnySize, build_network
from hectares.model.onnx_graph import to_onnx
from hectares.runtime.fit import Fit
from hectares.runtime.onnx import open_session, run_session

SMALL = [
    ("unet-elu", {"width": 2, "crop": 16}),
    ("unet-elu", {"width": 2}),
    ("unet", {"encoder": "mobilenet_v2"}),
]
LARGE = [
    ("fpn", {"encoder": "resnet18"}),
    ("pspnet", {"encoder": "resnet18"}),
    ("upernet", {"encoder": "resnet18"}),
    ("deeplabv3plus", {"encoder": "mobilenet_v2"}),
    ("segformer", {"encoder": "mit_b0"}),
    ("unet", {"encoder": "tu-convnext_atto"}),
]


def _network(name: str, options: dict[str, str | int], *, bands: int = 2) -> AnySize:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return build_network(name, options, bands=bands, classes=3).eval()


def _largest_difference(network: AnySize, model: bytes, shape: tuple[int, ...]) -> float:
    image = np.random.default_rng(0).standard_normal(shape, np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)).numpy()
    found = run_session(open_session(model, threads=1), image, Fit(network.stride, network.crop))
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / max(1, np.abs(expected).max()))


@pytest.mark.parametrize(("name", "options"), [*SMALL, *(pytest.param(*n, marks=pytest.mark.slow) for n in LARGE)])
def test_a_graph_gives_the_logits_of_its_network_at_any_size_and_batch(name: str, options: dict[str, str | int]):
    network = _network(name, options)
    model = to_onnx(network, bands=2, metadata={})
    stride = network.stride
    for shape in ((1, 2, 2 * stride, 3 * stride), (3, 2, 3 * stride - 5, stride + 7)):
        assert _largest_difference(network, model, shape) < 1e-4


def test_exported_twice_a_network_has_the_same_bytes():
    one, two = (to_onnx(_network("unet-elu", {"width": 2}), bands=2, metadata={"b": "2", "a": "1"}) for _ in range(2))
    assert one == two


def test_a_graph_says_nothing_of_the_machine_it_was_made_on():
    model = to_onnx(_network("unet-elu", {"width": 2}), bands=2, metadata={})
    assert b"/work" not in model
    assert b".py" not in model
    assert b"site-packages" not in model


def test_a_graph_carries_its_metadata_and_names_its_axes():
    model = onnx.load_model_from_string(
        to_onnx(_network("unet-elu", {"width": 2}), bands=2, metadata={"hectares": json.dumps({"bands": ["b"]})})
    )
    assert {p.key: json.loads(p.value) for p in model.metadata_props} == {"hectares": {"bands": ["b"]}}
    axes = model.graph.input[0].type.tensor_type.shape.dim
    assert [a.dim_param or a.dim_value for a in axes] == ["batch", 2, "height", "width"]


def test_the_network_itself_is_left_as_it_is():
    network = _network("pspnet", {"encoder": "resnet18"})
    before = [type(m) for m in network.modules()]
    to_onnx(network.train(), bands=2, metadata={})
    assert [type(m) for m in network.modules()] == before
    assert network.training


def test_what_has_no_onnx_form_is_refused_in_one_sentence(capfd: pytest.CaptureFixture[str]):
    class Odd(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(image[..., :4, :4]).real

    with pytest.raises(ArtefactError, match="has no ONNX form"):
        to_onnx(AnySize(Odd(), 4), bands=2, metadata={})
    assert capfd.readouterr() == ("", "")
