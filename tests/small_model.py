# SPDX-License-Identifier: GPL-3.0-or-later
"""A model that knows nothing but answers like one, and small things to feed it."""

import numpy as np
import torch

from tomoscore_scipion.model.features import ratios
from tomoscore_scipion.model.inference import SliceCurves, as_volume, measure
from tomoscore_scipion.model.network import ResolvabilityNet
from tomoscore_scipion.model.normalisation import canonical_slice
from tomoscore_scipion.model.sampling import INPUT_CONTRACT, plan_slice
from tomoscore_scipion.records.bands import N_BANDS

CPU = torch.device("cpu")
CARD = {
    "schema": 1,
    "name": "random",
    "version": "0.0.1",
    "licence": "GPL-3.0-or-later",
    "input": INPUT_CONTRACT,
    "interval": {"score": [0, 5], "sd": [0.3, 0.3]},
}
"""What `save_weights` needs to be told."""


def random_network(seed=0):
    """A network of random weights whose scores lie mid-range and differ from slice to slice."""
    volume = speckle((8, 96, 96), seed=100).astype("float64")
    blobs = np.kron(speckle((8, 12, 12), seed=101), np.ones((8, 8)))
    volume += np.linspace(0, 1, 8)[:, None, None] * blobs
    pieces = [canonical(volume, 1.5, z) for z in range(8)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResolvabilityNet()
    measured = as_volume([measure(piece, CPU) for piece in pieces], CPU)
    scale = ratios(measured.means).flatten(0, 3)
    with torch.no_grad():
        network.mean.copy_(scale.mean(dim=0))
        network.std.copy_(scale.std(dim=0).clamp_min(0.02))
        found = network.eval()(measured).curves
        octaves = found[..., :-1]
        for last, said in ((network.out, octaves), (network.finest, found[..., -1:])):
            gain = 0.15 / said.std()
            last.weight[0] *= gain
            last.bias[0] = gain * (last.bias[0] - said.mean()) + 0.35
            last.bias[1] += 1.0
    return network


def canonical(volume, voxel_nm=1.5, z=None):
    """The canonical slice of plane z of an array, the middle one when None."""
    volume = np.asarray(volume, dtype=np.float32)
    z = len(volume) // 2 if z is None else z
    return canonical_slice(volume.__getitem__, plan_slice(z, len(volume), voxel_nm), voxel_nm)


def white(shape, seed=0):
    """Gaussian white noise, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def filtered(volume, gain, voxel_nm=1.5):
    """A volume (..., y, x) whose planes go through a radial filter, gain(1/nm) to a factor."""
    ky = np.fft.fftfreq(volume.shape[-2], voxel_nm)[:, None]
    kx = np.fft.rfftfreq(volume.shape[-1], voxel_nm)
    spectrum = np.fft.rfft2(volume) * gain(np.hypot(ky, kx))
    return np.fft.irfft2(spectrum, s=volume.shape[-2:]).astype(np.float32)


def speckle(shape, seed=0, dtype="float32"):
    """Noise with some structure and a dark long tail, of any shape (..., y, x)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    rows, columns = np.roll(noise, 1, axis=-1), np.roll(noise, 2, axis=-2)
    mixed = noise + rows + columns
    return (mixed - 0.2 * mixed**2).astype(dtype)


def curves_of(levels, tiles=3, weight=1.0, spread=0.0, seed=0, content=1.0):
    """SliceCurves at z = 0, 1, ...: every band of slice i at levels[i], and noise on the tiles."""
    rng = np.random.default_rng(seed)
    pieces = []
    for z, level in enumerate(levels):
        noise = spread * rng.standard_normal((tiles, tiles, N_BANDS))
        curves = torch.from_numpy((level + noise).astype("float32"))
        there = torch.full((tiles, tiles, N_BANDS), float(content))
        pieces.append(SliceCurves(z, curves, there, torch.full((tiles, tiles), float(weight))))
    return pieces
