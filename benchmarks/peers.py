# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to judge a volume: reading it, its power spectra, general image metrics.

Run as `peers.py NAME FILE N_SLICES` with the Python that has the peer, on a float32 .mrc. Prints
JSON: {"slices": number of slices used, "of": number of slices in the file, "seconds": time without
the start, "values": value of each slice, null if the peer fails}. Exit status 4: the peer is not
installed; the message on standard error says how to install it. Each peer gets one 2D image at a
time, in the form that it expects.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

NOT_INSTALLED = 4


def read(_image: np.ndarray, _voxel_size_nm: float) -> float:
    """Do nothing: the image has been read already."""
    return 0.0


def power_spectrum(image: np.ndarray, voxel_size_nm: float) -> float:
    """Log ratio of the power coarser and finer than 16 nm, of the radially averaged spectrum."""
    spectrum = radial_spectrum(image)
    edge = max(2, round(min(image.shape) * voxel_size_nm / 16))
    return np.log10(spectrum[1:edge].sum() / spectrum[edge : min(image.shape) // 2].sum())


def radial_spectrum(image: np.ndarray) -> np.ndarray:
    """Mean power per ring, (n,), of one cycle per field each."""
    power = np.abs(np.fft.rfft2(image)) ** 2
    k_y = np.fft.fftfreq(image.shape[0])[:, None]
    k_x = np.fft.rfftfreq(image.shape[1])[None, :]
    ring = np.round(np.hypot(k_y, k_x) * min(image.shape)).astype(np.intp).ravel()
    return np.bincount(ring, power.ravel()) / np.bincount(ring)


def estimate_sigma(image: np.ndarray, _voxel_size_nm: float) -> float:
    """Wavelet-based noise level of scikit-image."""
    from skimage.restoration import estimate_sigma as sigma

    return sigma(image / image.std())


def blur_effect(image: np.ndarray, _voxel_size_nm: float) -> float:
    """Perceptual blur of scikit-image, 0 to 1."""
    from skimage.measure import blur_effect as blur

    return blur(image)


def piqe(image: np.ndarray, _voxel_size_nm: float) -> float:
    """Perception-based quality of pypiqe, of 8-bit images."""
    from pypiqe import piqe as score

    return score(as_8_bits(image))[0]


def brisque(image: np.ndarray, _voxel_size_nm: float) -> float:
    """Natural-scene statistics of brisque, of 8-bit images."""
    from brisque import BRISQUE

    return BRISQUE(url=False).score(np.repeat(as_8_bits(image)[..., None], 3, axis=2))


def as_8_bits(image: np.ndarray) -> np.ndarray:
    """Scale to 0 to 255, from the lowest value to the highest."""
    low, high = image.min(), image.max()
    return ((image - low) * (255 / (high - low))).astype(np.uint8)


def quoll(image: np.ndarray, voxel_size_nm: float) -> float:
    """Fourier ring correlation of one image by quoll, which needs square images."""
    from quoll.frc.oneimg import calc_frc_res
    from quoll.io.reader import Image

    side = min(image.shape)
    image = Image(img_data=image[:side, :side], pixel_size=voxel_size_nm, unit="nm")
    return calc_frc_res(image).resolution["resolution"]


PEERS = {
    function.__name__: function
    for function in (read, power_spectrum, estimate_sigma, blur_effect, piqe, brisque, quoll)
}
NEEDS = {
    "estimate_sigma": ("skimage", "pywt"),
    "blur_effect": ("skimage",),
    "piqe": ("pypiqe",),
    "brisque": ("brisque",),
    "quoll": ("quoll.frc.oneimg",),
}
INSTALL = {
    "estimate_sigma": "pip install scikit-image PyWavelets",
    "blur_effect": "pip install scikit-image",
    "piqe": "pip install pypiqe",
    "brisque": "pip install brisque 'numpy<2'",
    "quoll": "see benchmarks/requirements.txt",
}


def missing(name: str) -> str | None:
    """The missing module of a peer, or None. Modules are imported here, outside the timed part."""
    for module in NEEDS.get(name, ()):
        try:
            __import__(module)
        except ImportError:
            return module
    return None


def value_of(name: str, image: np.ndarray, voxel_size_nm: float) -> float | None:
    """Value of a peer for an image; None if it is NaN or the peer fails."""
    try:
        value = float(PEERS[name](image, voxel_size_nm))
    except (ValueError, IndexError, ZeroDivisionError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return None
    return value if np.isfinite(value) else None


def main(name: str, path: str, n_slices: int) -> int:
    """Time a peer on evenly spaced slices of a file; returns the exit status."""
    lacks = missing(name)
    if lacks:
        print(f"{lacks} not installed: {INSTALL[name]}", file=sys.stderr)
        return NOT_INSTALLED
    header = np.fromfile(path, dtype="<i4", count=256)
    n_x, n_y, n_z = (int(n) for n in header[:3])
    voxel_size_nm = float(header[10:11].view("<f4")[0]) / int(header[7]) / 10.0
    slices = np.linspace(0, n_z - 1, min(n_slices, n_z)).round().astype(int)
    values = []
    started = time.perf_counter()
    with open(path, "rb") as file:
        for z in slices:
            file.seek(1024 + 4 * n_x * n_y * int(z))
            image = np.fromfile(file, dtype="<f4", count=n_x * n_y).reshape(n_y, n_x)
            values.append(value_of(name, image, voxel_size_nm))
    seconds = time.perf_counter() - started
    result = {"slices": len(slices), "of": n_z, "seconds": seconds, "values": values}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
