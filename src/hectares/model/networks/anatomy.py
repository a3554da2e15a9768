"""What a network is made of: its layers with shapes and parameters, and how blocks of them are connected.

The network runs once on tensors without values, so that nothing is computed. Every tensor on the way is traced back
to the layers it came from, through joins, sums and resizing, which gives the true connections of any network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True, slots=True)
class LayerLine:
    """One layer of a network, for people to read."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of the output, without the batch."""
    parameters: int


@dataclass(frozen=True, slots=True)
class Block:
    """Layers in a row whose output has one size."""

    part: str
    """First word of the names of its layers: encoder, decoder, head."""
    kinds: tuple[str, ...]
    channels: int
    height: int
    width: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Layers, blocks, and pairs of numbers of connected blocks; block -1 is the image.

    An encoder of a library shows the features it gives, one block each, instead of its layers.
    """

    layers: tuple[LayerLine, ...]
    blocks: tuple[Block, ...]
    edges: tuple[tuple[int, int], ...]
    encoder: str = ""
    """Class of an encoder that is shown by its features."""
    encoder_parameters: int = 0


def examine(network: nn.Module, *, bands: int, size_px: int = 256) -> Anatomy:
    """Run a network on an image of (bands, size, size) without values.

    The network loses its weights: build another one to train.
    """
    network.eval().to("meta")
    trace = _Trace()
    handles = list(_watch(network, trace))
    try:
        with torch.no_grad(), trace:
            logits = network(torch.zeros(1, bands, size_px, size_px, device="meta"))
            _finish(trace, logits)
    finally:
        for handle in handles:
            handle.remove()
    blocks, edges = _contract(trace.nodes, trace.edges)
    layers = (*trace.layers, *_not_called(network, {line.name for line in trace.layers}))
    encoders = [module for name, module in network.named_modules() if _is_whole_encoder(_short(name), module)]
    kind = type(encoders[0]).__name__ if encoders else ""
    return Anatomy(layers, blocks, edges, kind, sum(p.numel() for e in encoders for p in e.parameters()))


@dataclass(slots=True)
class _Node:
    part: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    whole: bool = False
    """True for the features of an encoder, which are a block each."""


@dataclass
class _Origins:
    """Which nodes a tensor comes from. Tensors are held, so that no number of one is used again."""

    held: dict[int, tuple[Tensor, frozenset[int]]] = field(default_factory=dict)

    def of(self, values: object) -> frozenset[int]:
        found = [self.held[id(t)][1] for t in _tensors(values) if id(t) in self.held]
        return frozenset().union(*found)

    def set(self, values: object, nodes: frozenset[int]) -> None:
        for tensor in _tensors(values):
            self.held[id(tensor)] = (tensor, nodes)


class _Trace(TorchFunctionMode):
    """Passes origins on through every function that is no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[LayerLine] = []
        self.nodes: list[_Node] = []
        self.edges: set[tuple[int, int]] = set()
        self.origins = _Origins()
        self.inside = 0
        """Depth within an encoder whose outputs are drawn instead of its layers."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        more = dict(kwargs or {})
        result = func(*args, **more)
        if isinstance(result, (Tensor, list, tuple)):
            self.origins.set(result, self.origins.of((args, list(more.values()))))
        return result

    def add(self, node: _Node, sources: Iterable[int]) -> frozenset[int]:
        """Note a node and what it takes; gives what it is the origin of."""
        self.nodes.append(node)
        number = len(self.nodes) - 1
        self.edges |= {(source, number) for source in sources}
        return frozenset({number})


def _finish(trace: _Trace, logits: Tensor) -> None:
    """Note what happens to the size after the last layer."""
    shape = tuple(logits.shape[1:])
    if trace.nodes and trace.nodes[-1].shape[1:] != shape[1:]:
        kind = "up" if shape[1] > trace.nodes[-1].shape[1] else "cut"
        trace.add(_Node("head", kind, shape, 0), trace.origins.of(logits))


_PARTS = {"bottom": "encoder", "ups": "decoder", "segmentation_head": "head"}


def _short(name: str) -> str:
    return name.removeprefix("network.")


def _is_whole_encoder(name: str, module: nn.Module) -> bool:
    return name == "encoder" and not isinstance(module, (nn.ModuleList, nn.Sequential))


def _not_called(network: nn.Module, called: set[str]) -> Iterator[LayerLine]:
    """Modules that hold parameters but whose own call is passed over, such as the tokens of a transformer."""
    for full_name, module in network.named_modules():
        own = sum(p.numel() for p in module.parameters(recurse=False))
        if own and _short(full_name) not in called:
            yield LayerLine(_short(full_name), type(module).__name__, (), own)


def _watch(network: nn.Module, trace: _Trace) -> Iterator[RemovableHandle]:
    yield network.register_forward_pre_hook(lambda _, inputs: trace.origins.set(inputs, frozenset({-1})))
    for full_name, module in network.named_modules():
        name = _short(full_name)
        part = _PARTS.get(name.split(".")[0], name.split(".")[0])
        leaf = not list(module.children())
        if _is_whole_encoder(name, module):
            yield module.register_forward_pre_hook(_enter(trace))
            yield module.register_forward_hook(_leave(trace))
        elif leaf or any(True for _ in module.parameters(recurse=False)):
            yield module.register_forward_hook(_note(trace, name, part, leaf=leaf))


def _enter(trace: _Trace) -> Any:
    def hook(_: nn.Module, __: object) -> None:
        trace.inside += 1

    return hook


def _leave(trace: _Trace) -> Any:
    """Draw what an encoder gives: one node for each output, each taking the one before."""

    def hook(_: nn.Module, inputs: object, outputs: object) -> None:
        trace.inside -= 1
        sources = frozenset({-1})
        given = {id(tensor) for tensor in _tensors(inputs)}
        for output in _tensors(outputs):
            if id(output) in given or 0 in output.shape:  # the image itself, or a stand-in
                continue
            if output.ndim == 4:
                node = _Node("encoder", "features", tuple(output.shape[1:]), 0, whole=True)
                sources = trace.add(node, sources)
            trace.origins.set(output, sources)

    return hook


def _note(trace: _Trace, name: str, part: str, *, leaf: bool) -> Any:
    def hook(module: nn.Module, inputs: object, output: object) -> None:
        tensors = list(_tensors(output))
        if not tensors:
            return
        own = sum(p.numel() for p in module.parameters(recurse=False))
        shape = tuple(tensors[0].shape[1:])
        drawn = leaf and not trace.inside and len(shape) == 3 and not isinstance(module, nn.Identity)
        trace.layers.append(LayerLine(name, type(module).__name__, shape, own))
        if drawn:
            node = _Node(part, _kind(module), shape, own)
            trace.origins.set(output, trace.add(node, trace.origins.of(inputs)))

    return hook


def _kind(module: nn.Module) -> str:
    """A layer in a word or two.

    >>> _kind(nn.Conv2d(1, 1, 3)), _kind(nn.BatchNorm2d(1)), _kind(nn.ELU())
    ('conv 3x3', 'BN', 'ELU')
    """
    name = type(module).__name__
    if isinstance(module, nn.Conv2d):
        rate = module.dilation[0]
        return f"conv {module.kernel_size[0]}x{module.kernel_size[1]}" + (f" rate {rate}" if rate > 1 else "")
    if isinstance(module, nn.ConvTranspose2d):
        return f"up-conv {module.kernel_size[0]}x{module.kernel_size[1]}"
    known = {"BatchNorm2d": "BN", "MaxPool2d": "pool", "Upsample": "up", "UpsamplingBilinear2d": "up"}
    return known.get(name, "mean" if "Pool" in name else name.removesuffix("2d"))


def _tensors(values: object) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)


def _contract(
    nodes: Sequence[_Node], edges: Iterable[tuple[int, int]]
) -> tuple[tuple[Block, ...], tuple[tuple[int, int], ...]]:
    """Merge neighbors of one part and one size into blocks, and their connections with them."""
    runs: list[list[_Node]] = []
    block_of = {-1: -1}
    for number, node in enumerate(nodes):
        last = runs[-1][-1] if runs else None
        if last is None or node.whole or last.whole or (last.part, last.shape[1:]) != (node.part, node.shape[1:]):
            runs.append([])
        runs[-1].append(node)
        block_of[number] = len(runs) - 1
    blocks = tuple(
        Block(
            run[-1].part,
            tuple(node.kind for node in run),
            run[-1].shape[0],
            run[-1].shape[1],
            run[-1].shape[2],
            sum(node.parameters for node in run),
        )
        for run in runs
    )
    joined = {(block_of[a], block_of[b]) for a, b in edges}
    return blocks, tuple(sorted((a, b) for a, b in joined if a != b))
