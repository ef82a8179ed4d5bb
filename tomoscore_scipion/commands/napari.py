# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore napari`: opens the viewer on scored tomograms."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from tomoscore_scipion.napari_plugin.layers import layers_of
from tomoscore_scipion.napari_plugin.reader import MAX_TOMOGRAMS, map_folders
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import OK, Score
from tomoscore_scipion.records.record_files import read_records

PLUGIN, WIDGET = "scipion-em-tomoscore", "Slice profile"


def main(args: Namespace) -> int:
    """Show tomograms until the window is closed.

    Returns:
        Exit status.

    Raises:
        StartError: napari is not installed, or the tomograms cannot be shown.
        TomogramError: a tomogram cannot be read.
    """
    records = chosen(args.results, args.ids)
    maps = map_folders(args.results) if args.maps is None else args.maps
    layers = [layer for record in records for layer in layers_of(record, maps)]
    napari = _napari()
    viewer = napari.Viewer(title=f"TomoScore: {args.results}")
    for data, arguments, kind in layers:
        getattr(viewer, f"add_{kind}")(data, **arguments)
    viewer.layers.selection.active = viewer.layers[0]
    viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    napari.run()
    return 0


def chosen(path: str, ids: list[str]) -> list[Score]:
    """The records of some tomograms, or of all if no id is given.

    Raises:
        StartError: an id has no record or no score, or there are too many tomograms.
    """
    records = {record.ts_id: record for record in read_records(path)}
    missing = [ts_id for ts_id in ids if ts_id not in records]
    if missing:
        raise StartError(f"{path}: expected a record of {missing[0]}, found none of this id")
    selected = [records[i] for i in ids] if ids else [r for r in records.values() if r.status == OK]
    if not 0 < len(selected) <= MAX_TOMOGRAMS:
        raise StartError(
            f"{path}: expected 1 to {MAX_TOMOGRAMS} tomograms to show, found {len(selected)}: name "
            "some by their ids"
        )
    return selected


def _napari() -> Any:
    try:
        import napari
    except ModuleNotFoundError as error:
        raise StartError(
            f"tomoscore napari needs the Python package {error.name}: pip install "
            "'scipion-em-tomoscore[engine,napari]'"
        ) from error
    return napari
