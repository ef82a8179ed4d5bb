# SPDX-License-Identifier: GPL-3.0-or-later
"""Back-projections of single views on a canonical slice, from which tomograms are summed.

Back-projection is linear: the tomogram of some views is the weighted sum of their back-projections,
and only the weights depend on the choice of views. Each view is therefore back-projected once, on
the planes of one slice and its neighbours, and the tomograms of all steps are matrix products.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
import torch

from tomoscore_scipion.dose.subsets import Subset
from tomoscore_scipion.model.normalisation import CanonicalSlice, normalise
from tomoscore_scipion.model.sampling import PlaneMean, SlicePlan
from tomoscore_scipion.model.validity import valid_pixels
from tomoscore_scipion.tomography.backprojection import backproject_slabs

BATCH_SIZE = 8


class ViewSlices:
    """Back-projections of all views on one canonical slice.

    Attributes:
        plan: the planes of the slice.
    """

    def __init__(
        self,
        filtered: torch.Tensor,
        angles_deg: np.ndarray,
        shape_zyx: tuple[int, int, int],
        plan: SlicePlan,
    ) -> None:
        """Back-project each view on the planes of a slice.

        Args:
            filtered: views from `filter_views`, shape (n_views, x, y).
            angles_deg: tilt angles in degrees, shape (n_views,).
            shape_zyx: shape of the tomogram in voxels.
            plan: planes of the slice.
        """
        self.plan = plan
        self._shape_yx = shape_zyx[1:]
        groups = [channel for channel in plan.channels if channel]
        self._has_channel = [bool(channel) for channel in plan.channels]
        mixing = _mixing(groups, plan.planes)
        n_views = len(filtered)
        self._backprojections = torch.empty((n_views, len(groups) * shape_zyx[1] * shape_zyx[2]))
        for view in range(n_views):
            planes = torch.cat(
                [
                    slab.cpu()
                    for _, slab in backproject_slabs(
                        filtered[view : view + 1],
                        angles_deg[view : view + 1],
                        shape_zyx,
                        plan.planes,
                    )
                ]
            )
            self._backprojections[view] = (mixing @ planes.flatten(1)).flatten()

    @property
    def centre(self) -> torch.Tensor:
        """The back-projection of each view on the slice itself, (n_views, y, x)."""
        n_y, n_x = self._shape_yx
        return self._backprojections[:, : n_y * n_x].reshape(-1, n_y, n_x)

    def images(self, subsets: Sequence[Subset]) -> torch.Tensor:
        """Channels of the slice of each subset, shape (n_subsets, n_channels, y, x).

        Channels are centre, near, far and distant, without those outside the volume.
        """
        weights = torch.from_numpy(np.stack([s.weights for s in subsets]).astype(np.float32))
        return (weights @ self._backprojections).reshape(len(subsets), -1, *self._shape_yx)

    def canonical_slices(self, subsets: Sequence[Subset], voxel_nm: float) -> list[CanonicalSlice]:
        """The canonical slice of each subset."""
        slices = []
        for start in range(0, len(subsets), BATCH_SIZE):
            images = self.images(subsets[start : start + BATCH_SIZE]).numpy()
            slices += [self._canonical_slice(channels, voxel_nm) for channels in images]
        return slices

    def _canonical_slice(self, channels: np.ndarray, voxel_nm: float) -> CanonicalSlice:
        existing = iter(channels)
        images = [next(existing) if has else None for has in self._has_channel]
        centre = images[0]
        assert centre is not None
        return normalise(self.plan.z, images, valid_pixels(centre), voxel_nm)


def _mixing(groups: Sequence[PlaneMean], planes: Sequence[int]) -> torch.Tensor:
    """Matrix (n_channels, n_planes) of the weighted mean over the planes of each channel."""
    mixing = torch.zeros((len(groups), len(planes)))
    for channel, group in enumerate(groups):
        for z, weight in zip(group.planes, group.weights):
            mixing[channel, planes.index(z)] += weight
    return mixing
