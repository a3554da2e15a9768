"""The drawing of a network."""

from __future__ import annotations

from hectares.view.network_graph import GraphBlock, describe_layers, draw_network

CONVS = ("conv 3x3", "BN", "ReLU", "Dropout", "conv 3x3", "BN", "ReLU")
BLOCKS = [
    GraphBlock("encoder", CONVS, 8, 16, 16, 900),
    GraphBlock("encoder", ("pool", *CONVS), 16, 8, 8, 3500),
    GraphBlock("decoder", ("up-conv 2x2", *CONVS), 8, 16, 16, 1_234_567),
    GraphBlock("head", ("conv 1x1",), 1, 16, 16, 9),
]
EDGES = [(-1, 0), (0, 1), (1, 2), (0, 2), (2, 3)]


def test_the_same_network_gives_the_same_bytes():
    def draw() -> tuple[bytes, bytes]:
        sheet = draw_network("a net", "9 parameters", BLOCKS, EDGES, bands=3, size_px=16)
        return sheet.png(), sheet.svg()

    assert draw() == draw()
    assert draw()[0].startswith(b"\x89PNG")
    assert b"<svg" in draw()[1]


def test_a_box_says_its_convolutions_first():
    assert [describe_layers(block) for block in BLOCKS] == [
        ["2 conv 3x3", "BN, ReLU"],
        ["2 conv 3x3", "BN, ReLU"],
        ["up-conv 2x2, 2 conv 3x3", "BN, ReLU"],
        ["conv 1x1"],
    ]


def test_boxes_of_one_size_stand_on_one_level_so_that_depth_makes_height():
    flat = draw_network("a", "b", BLOCKS[:1], EDGES[:1], bands=3, size_px=16)
    deep = draw_network("a", "b", BLOCKS[:2], EDGES[:2], bands=3, size_px=16)
    assert deep.height > flat.height


def test_many_connections_across_still_draw():
    blocks = [GraphBlock("decoder", ("conv 3x3",), 4, 8, 8, 1)] * 12
    edges = [(a, b) for a in range(-1, 12) for b in range(a + 1, 12)]
    assert draw_network("dense", "", blocks, edges, bands=1, size_px=64).png()
