# SPDX-License-Identifier: GPL-3.0-or-later
"""A small tilt series on disk in every file format that the dose analysis reads."""

import mrcfile
import numpy as np

ANGLES = np.arange(-40.0, 41.0, 8.0)
"""Tilt angles of eleven views, in degrees."""
WOBBLING = ANGLES + np.array([0, 0.02, -0.01, 0.03, 0.01, -0.02, 0, 0.02, 0.03, -0.01, 0.01])
"""Tilt angles with the small errors of a stage, so that they are not symmetric about 0."""
RANK = np.array([9, 8, 5, 4, 1, 0, 2, 3, 6, 7, 10])
"""Rank of each view in the dose-symmetric order of acquisition."""
DOSE = 3.0
PIXEL_ANGSTROM = 15.0
AXIS_DEG = 5.0


def rotation(degrees):
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])


def shifts():
    """Offsets (x, y) of the raw images in pixels, one per view."""
    return np.random.default_rng(3).uniform(-4, 4, (len(ANGLES), 2)).round(3)


def transforms():
    """IMOD's transforms (A | D): A rotates the tilt axis to y, then D shifts."""
    turn = rotation(AXIS_DEG)
    return np.array([np.column_stack([turn, -turn @ offset]) for offset in shifts()])


def write_stack(path, shape_yx=(96, 96), seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: shape_yx[0], : shape_yx[1]]
    signal = np.cos(2 * np.pi * x / 20) * np.cos(2 * np.pi * y / 25) * 20
    images = 100 + signal + 10 * rng.standard_normal((len(ANGLES), *shape_yx))
    mrcfile.write(path, images.astype(np.float32), voxel_size=PIXEL_ANGSTROM, overwrite=True)
    return str(path)


def write_xf(path):
    rows = [(*matrix[:, :2].ravel(), *matrix[:, 2]) for matrix in transforms()]
    path.write_text("".join("".join(f"{v:12.7f}" for v in row) + "\n" for row in rows))
    return str(path)


def write_tlt(path):
    path.write_text("".join(f"{angle:7.2f}\n" for angle in ANGLES))
    return str(path)


def write_doses(path):
    path.write_text("".join(f"{DOSE * rank} {DOSE}\n" for rank in RANK))
    return str(path)


def warp_xml(**replaced):
    """Warp's metadata of the series; `replaced` gives other values, or None to omit an element."""
    offsets = shifts() * PIXEL_ANGSTROM
    elements = {
        "Angles": ANGLES,
        "Dose": DOSE * RANK,
        "UseTilt": ["True"] * len(ANGLES),
        "AxisAngle": [-AXIS_DEG] * len(ANGLES),
        "AxisOffsetX": offsets[:, 0],
        "AxisOffsetY": offsets[:, 1],
    }
    elements.update(replaced)
    body = "".join(
        f"<{name}>" + "\n".join(map(str, values)) + f"</{name}>\n"
        for name, values in elements.items()
        if values is not None
    )
    nodes = "".join(
        f'<Node X="0" Y="0" Z="{i}" Value="{3 + 0.1 * i}" />' for i in range(len(ANGLES))
    )
    ctf = (
        '<CTF><Param Name="Voltage" Value="300" /><Param Name="Cs" Value="2.7" />'
        '<Param Name="Amplitude" Value="0.1" /><Param Name="Defocus" Value="3.5" /></CTF>'
        f'<GridCTF Width="1" Height="1" Depth="{len(ANGLES)}">{nodes}</GridCTF>'
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<TiltSeries>{body}{ctf}</TiltSeries>\n'


def mdoc(order=None, with_doses=True, prior=True, times=None, title="[T = SerialEM: simulated]"):
    """SerialEM's metadata; sections are in the order of acquisition unless `order` is given.

    `times` makes the time line of a rank, which may be empty.
    """
    order = np.argsort(RANK) if order is None else order
    times = times or (lambda rank: f"DateTime = 14-Mar-24  10:{rank:02d}:30")
    lines = ["PixelSpacing = 15.0", "Voltage = 300", "", title, ""]
    for z, view in enumerate(order):
        rank = int(RANK[view])
        lines += [
            f"[ZValue = {z}]",
            f"TiltAngle = {ANGLES[view] + 0.01}",
            f"ExposureDose = {DOSE if with_doses else 0}",
            times(rank),
        ]
        lines += [f"PriorRecordDose = {DOSE * rank}"] if prior else []
        lines.append("")
    return "\n".join(lines)


def aln(
    dark=(),
    counted_without_dark=False,
    first=0,
    dark_first=1,
    size_xy=(96, 96),
    binned=1.0,
    angles=ANGLES,
    offsets=False,
):
    """AreTomo's alignment: SEC counts from `first`, dark sections from `dark_first`."""
    lines = ["# AreTomo Alignment / Priims bprmMn"]
    lines += [f"# RawSize = {size_xy[0]} {size_xy[1]} {len(ANGLES)}", "# NumPatches = 0"]
    lines += [
        f"# DarkFrame = {view:4d} {view + dark_first:4d} {angles[view]:8.2f}" for view in dark
    ]
    lines += ["# AlphaOffset =     0.00", "# BetaOffset =     0.00"] if offsets else []
    lines += ["# SEC     ROT         GMAG       TX          TY      SMEAN  SFIT SCALE BASE TILT"]
    bright = [view for view in range(len(ANGLES)) if view not in dark]
    for number, view in enumerate(bright):
        section = (number if counted_without_dark else view) + first
        x, y = shifts()[view] * binned
        lines.append(
            f"{section:5d} {-AXIS_DEG:10.4f}    1.00000 {x:10.3f} {y:10.3f}     1.00     1.00     "
            f"1.00     0.00 {angles[view]:8.2f}"
        )
    return "\n".join(lines) + "\n"


def star(order=None, named="frames", **replaced):
    """RELION 5's star file of the series; `replaced` gives other columns, or None to omit them."""
    order = np.arange(len(ANGLES)) if order is None else np.asarray(order)
    images = {"stack": "{}@TS_01.mrc", "frames": "frames/TS_01_{}.mrc"}[named]
    offsets = shifts() * PIXEL_ANGSTROM
    columns = {
        "rlnMicrographName": [images.format(view + 1) for view in range(len(ANGLES))],
        "rlnTomoNominalStageTiltAngle": ANGLES + 0.01,
        "rlnMicrographPreExposure": DOSE * RANK,
        "rlnTomoXTilt": np.zeros(len(ANGLES)),
        "rlnTomoYTilt": ANGLES,
        "rlnTomoZRot": np.full(len(ANGLES), -AXIS_DEG),
        "rlnTomoXShiftAngst": offsets[:, 0],
        "rlnTomoYShiftAngst": offsets[:, 1],
    }
    columns.update(replaced)
    columns = {name: values for name, values in columns.items() if values is not None}
    lines = ["", "# version 50001", "", "data_TS_01", "", "loop_"]
    lines += [f"_{name} #{number}" for number, name in enumerate(columns, start=1)]
    lines += [" ".join(str(values[view]) for values in columns.values()) for view in order]
    return "\n".join([*lines, "", ""])


def column(*columns):
    return "".join(" ".join(str(value) for value in row) + "\n" for row in zip(*columns))


def xf_of(matrices):
    return column(*matrices[:, :, :2].reshape(-1, 4).T, *matrices[:, :, 2].T)


def check(series, views=None, doses=True):
    """Check the transforms and doses of the views of a series, whatever its file formats."""
    views = np.arange(len(ANGLES)) if views is None else np.asarray(views)
    assert series.tilts.views.tolist() == views.tolist()
    np.testing.assert_allclose(series.tilts.transforms, transforms()[views], atol=2e-3)
    if doses:
        np.testing.assert_allclose(series.exposures.before, (DOSE * RANK)[views])
        np.testing.assert_allclose(series.exposures.per_view, DOSE)


def edited(text, old, new):
    assert old in text
    return text.replace(old, new)
