# SPDX-License-Identifier: GPL-3.0-or-later
"""What each view gives to a canonical slice, kept apart, so that any set of views is a sum.

Back-projection is linear: the tomogram of some views is the sum of their back-projections, each
times its weight, and only the weights depend on which other views there are. So every view is
back-projected once, and only on the planes of one slice and its neighbours at a time; the
tomograms of all steps are matrix products.
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

SUBSETS_AT_ONCE = 8


class ViewSlices:
    """The shares of all views in one canonical slice.

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
        """Back-project every view on the planes of a slice.

        Args:
            filtered: views from `filter_views`, shape (n_views, x, y).
            angles_deg: shape (n_views,).
            shape_zyx: the volume in pixels.
            plan: the planes that make the slice.
        """
        self.plan = plan
        self._shape_yx = shape_zyx[1:]
        groups = [channel for channel in plan.channels if channel]
        self._has_channel = [bool(channel) for channel in plan.channels]
        mixing = _mixing(groups, plan.planes)
        n_views = len(filtered)
        self._shares = torch.empty((n_views, len(groups) * shape_zyx[1] * shape_zyx[2]))
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
            self._shares[view] = (mixing @ planes.flatten(1)).flatten()

    @property
    def centre(self) -> torch.Tensor:
        """The back-projection of each view on the slice itself, (n_views, y, x)."""
        n_y, n_x = self._shape_yx
        return self._shares[:, : n_y * n_x].reshape(-1, n_y, n_x)

    def images(self, subsets: Sequence[Subset]) -> torch.Tensor:
        """The channels of the slice of each subset, shape (n_subsets, n_channels, y, x).

        Channels are centre, near, far and distant, less those whose planes lie outside the volume.
        """
        weights = torch.from_numpy(np.stack([s.weights for s in subsets]).astype(np.float32))
        return (weights @ self._shares).reshape(len(subsets), -1, *self._shape_yx)

    def pieces(self, subsets: Sequence[Subset], voxel_nm: float) -> list[CanonicalSlice]:
        """The canonical slice of each subset."""
        pieces = []
        for start in range(0, len(subsets), SUBSETS_AT_ONCE):
            images = self.images(subsets[start : start + SUBSETS_AT_ONCE]).numpy()
            pieces += [self._piece(channels, voxel_nm) for channels in images]
        return pieces

    def _piece(self, channels: np.ndarray, voxel_nm: float) -> CanonicalSlice:
        there = iter(channels)
        images = [next(there) if has else None for has in self._has_channel]
        centre = images[0]
        assert centre is not None
        return normalise(self.plan.z, images, valid_pixels(centre), voxel_nm)


def _mixing(groups: Sequence[PlaneMean], planes: Sequence[int]) -> torch.Tensor:
    """Matrix (n_channels, n_planes) that takes the mean of each channel's planes."""
    mixing = torch.zeros((len(groups), len(planes)))
    for channel, group in enumerate(groups):
        for z, weight in zip(group.planes, group.weights):
            mixing[channel, planes.index(z)] += weight
    return mixing
