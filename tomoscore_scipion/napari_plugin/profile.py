# SPDX-License-Identifier: GPL-3.0-or-later
"""The widget of napari: TomoScore over the slices, and the current slice."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure

from tomoscore_scipion.napari_plugin.layers import METADATA
from tomoscore_scipion.records.bands import N_SCORED


class SliceProfile(FigureCanvasQTAgg):
    """TomoScore over the slices of the active layer, with a line at the current slice."""

    def __init__(self, napari_viewer: Any) -> None:
        """Draw the profile, and redraw it when another layer or slice is selected.

        Args:
            napari_viewer: viewer to follow.
        """
        super().__init__(Figure(figsize=(4, 3), layout="constrained"))
        self._viewer = napari_viewer
        self._axes = self.figure.add_subplot()
        self._viewer.layers.selection.events.active.connect(self._draw_profile)
        self._viewer.dims.events.current_step.connect(self._draw_profile)
        self._draw_profile()

    def _draw_profile(self, event: Any = None) -> None:
        axes = self._axes
        axes.clear()
        axes.set(xlabel="slice", ylabel="TomoScore (octaves)", ylim=(0, N_SCORED))
        layer = self._viewer.layers.selection.active
        record = layer.metadata.get(METADATA) if layer is not None else None
        if record is None:
            axes.set_title("Select a scored tomogram")
        else:
            axes.set_title(f"{record['ts_id']}: {record['tomoscore']:.2f}")
            planes = [entry["z"] for entry in record["slices"]]
            axes.plot(planes, [entry["tomoscore"] for entry in record["slices"]], "o-")
            first, last = record["slab_z"]
            axes.axvspan(first, last, alpha=0.15)
            axes.axvline(self._current_slice(layer), color="black")
        self.draw_idle()

    def _current_slice(self, layer: Any) -> float:
        """The current slice of a layer."""
        return float(layer.world_to_data(self._viewer.dims.point)[0])
