"""The table of commands, in the groups and the order of `--help`: where each is, and its line there.

The lines stand here so that the list is shown without importing what it lists.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

GROUPS = {
    "Start": {
        "init": (
            "lookup",
            "Make a project folder for data in a layout: where each file goes, a run.yaml, and what to run next.",
        ),
        "demo": (
            "lookup",
            "Generate a town and run the whole chain on it: prepare, train, predict, evaluate, measure, report.",
        ),
        "serve": (
            "serve",
            "Make maps in a browser: pick or send a scene, choose a segmenter, watch, look at the map, take the files.",
        ),
    },
    "From labels to a segmenter": {
        "check": ("lookup", "Read everything and say what is wrong, and where, before hours of work."),
        "labels": (
            "sources",
            "Write the labels of a data set as rasters of class codes, with pictures to look at beside them.",
        ),
        "prepare": ("chain", "Cut chips from scenes with labels, measure band statistics, and split without leaks."),
        "train": (
            "chain",
            "Train a network on chips. An interrupted run goes on when the same command is given again.",
        ),
        "compare": (
            "compare",
            "Compare runs on the same chips: one table, one figure, and whether the best is really better.",
        ),
        "export": (
            "export",
            "Write a segmenter as one ONNX file that other tools can run, compared with the network it is made from.",
        ),
        "quantize": (
            "quantize",
            "Give a segmenter a form in numbers of 8 bits, which maps faster on processors made for it.",
        ),
    },
    "From scenes to maps": {
        "predict": (
            "chain",
            "Map whole scenes of any size: a cloud-optimized GeoTIFF of classes on the grid of each scene.",
        ),
        "assemble": ("assemble", "Put shards together that predict --shard computed on machines that share no disk."),
        "evaluate": (
            "chain",
            "Score a run on chips, or a class map on a label raster or on the shapes of a vector file.",
        ),
        "objects": (
            "objects",
            "Score polygons or instances as objects: F1 as SpaceNet counts, AP and AR as COCO does.",
        ),
        "contest": (
            "contest",
            "Write class maps as the file that a contest or benchmark takes, or check such a file with --check.",
        ),
    },
    "From maps to hectares": {
        "measure": ("chain", "Measure the mapped area of each class on the ellipsoid, in total and per zone."),
        "sample": ("survey", "Draw reference points from a class map, to estimate areas with intervals."),
        "estimate": (
            "estimate",
            "Estimate the area of each class with an interval, and the accuracies of the map, from a labelled sample.",
        ),
        "change": ("estimate", "Measure how much of each class became which class, from two class maps of one place."),
    },
    "For people and GIS": {
        "vectorize": (
            "polygons",
            "Turn a class map into polygons: exact, whole at any size of map, with shared borders simplified together.",
        ),
        "view": (
            "view",
            "Make a page to look at class maps: over scenes, with areas, in any browser, without a network.",
        ),
        "report": (
            "chain",
            (
                "Make one page of artefacts that opens anywhere: maps, scenes, areas, estimates, change, polygons, "
                "scores, runs."
            ),
        ),
    },
    "What is this, and is it right?": {
        "info": ("lookup", "Say what a file or folder is: scene, class map, chips, run, evaluation, areas, vectors."),
        "verify": ("verify", "Prove that a file is what was written, and that it follows from what it names."),
    },
    "What there is to choose from": {
        "formats": ("lookup", "List the data set layouts that prepare reads, or describe one."),
        "networks": (
            "networks",
            (
                "List the networks that can be trained, or describe one: layers, shapes, parameters, options, and a "
                "drawing."
            ),
        ),
        "weights": (
            "weights",
            "List pretrained weights that train --weights knows by name, or describe a set of them.",
        ),
        "presets": ("presets", "List the presets, or print one as a file to copy and change."),
        "recipes": ("compare", "List the recipes of compare, or print one as a file to copy and change."),
        "segmenters": (
            "export",
            "List the segmenters that ship with the package, or show the card of one: what it is good for, its scores.",
        ),
    },
}
"""Title of a group to names of commands, each with its module in this folder and its line, in the order of work."""

NAMES = tuple(name for group in GROUPS.values() for name in group)

_MODULES = {name: module for group in GROUPS.values() for name, (module, _) in group.items()}


def find_command(name: str) -> Callable[..., int]:
    """Import a command."""
    function: Callable[..., int] = getattr(import_module(f"hectares.cli.{_MODULES[name]}"), name)
    return function
