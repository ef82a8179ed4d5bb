# SPDX-License-Identifier: GPL-3.0-or-later
"""A network with random weights, and small input arrays for it."""

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
    "interval": {"score": [0, 5], "below": [0.5, 0.5], "above": [0.5, 0.5]},
}
"""A valid card for `save_weights`."""


def random_network(seed=0):
    """A network with random weights; its scores lie mid-range and differ from slice to slice."""
    volume = speckle((8, 96, 96), seed=100).astype("float64")
    blobs = np.kron(speckle((8, 12, 12), seed=101), np.ones((8, 8)))
    volume += np.linspace(0, 1, 8)[:, None, None] * blobs
    slices = [canonical(volume, 1.5, z) for z in range(8)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResolvabilityNet()
    measured = as_volume([measure(one, CPU) for one in slices], CPU)
    scale = ratios(measured.means).flatten(0, 3)
    with torch.no_grad():
        network.mean.copy_(scale.mean(dim=0))
        network.std.copy_(scale.std(dim=0).clamp_min(0.02))
        curves = network.eval()(measured).curves
        octaves = curves[..., :-1]
        for last, output in ((network.out, octaves), (network.finest, curves[..., -1:])):
            gain = 0.15 / output.std()
            last.weight[0] *= gain
            last.bias[0] = gain * (last.bias[0] - output.mean()) + 0.35
            last.bias[1] += 1.0
    return network


def canonical(volume, voxel_nm=1.5, z=None):
    """The canonical slice of plane z of an array; z defaults to the middle plane."""
    volume = np.asarray(volume, dtype=np.float32)
    z = len(volume) // 2 if z is None else z
    return canonical_slice(volume.__getitem__, plan_slice(z, len(volume), voxel_nm), voxel_nm)


def white(shape, seed=0):
    """Gaussian white noise, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def filtered(volume, gain, voxel_nm=1.5):
    """Filter the planes of a volume (..., y, x) by `gain`, a function of the frequency (1/nm)."""
    ky = np.fft.fftfreq(volume.shape[-2], voxel_nm)[:, None]
    kx = np.fft.rfftfreq(volume.shape[-1], voxel_nm)
    spectrum = np.fft.rfft2(volume) * gain(np.hypot(ky, kx))
    return np.fft.irfft2(spectrum, s=volume.shape[-2:]).astype(np.float32)


def speckle(shape, seed=0, dtype="float32"):
    """Correlated noise with a long tail of dark values, of any shape (..., y, x)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    rows, columns = np.roll(noise, 1, axis=-1), np.roll(noise, 2, axis=-2)
    mixed = noise + rows + columns
    return (mixed - 0.2 * mixed**2).astype(dtype)


def curves_of(levels, tiles=3, weight=1.0, spread=0.0, seed=0, content=1.0):
    """SliceCurves at z = 0, 1, ...: slice i has levels[i] in every band, plus tile noise."""
    rng = np.random.default_rng(seed)
    slices = []
    for z, level in enumerate(levels):
        noise = spread * rng.standard_normal((tiles, tiles, N_BANDS))
        curves = torch.from_numpy((level + noise).astype("float32"))
        contents = torch.full((tiles, tiles, N_BANDS), float(content))
        weights = torch.full((tiles, tiles), float(weight))
        slices.append(SliceCurves(z, curves, contents, weights))
    return slices
