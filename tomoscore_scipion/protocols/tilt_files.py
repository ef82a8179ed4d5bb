# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files of a tilt series for the engine: alignment, angles and doses.

Row n of each file belongs to image n of the stack, independent of the order of the views in the
set. Images that are not in the set have a placeholder row and are excluded.

In Scipion the accumulated dose of a view includes the view itself, and the "dose per frame" is the
dose of the whole view (as in tomo's import of .mdoc files and of patterns). The dose before a view
is the difference of the two. The dose before the view and the dose of the view are written.
"""

import os
from typing import List, NamedTuple, Optional, Tuple

from tomoscore_scipion.reading.volume import images_in_stack
from tomoscore_scipion.records.errors import TomogramError

MRC_SUFFIXES = (":mrc", ":mrcs")
DOSE_TOLERANCE = 0.05
"""Fraction by which the dose of a view, a mean over views, may exceed the accumulated dose."""

NO_ALIGNMENT = (
    "it is not aligned (no transformation). Align it first, for example with IMOD or AreTomo, or "
    "give it an alignment with *tomo - tilt-series assign alignment*. Interpolated tilt series are "
    "taken as they are"
)
NO_DOSE = (
    "it has no doses. Import the tilt series with their .mdoc files, or with *Dose per tilt image* "
    "filled in; *tomo - tilt-series assign alignment* then gives them the existing alignment"
)

UNMOVED = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""The transform of an image that is not moved."""


class SeriesError(Exception):
    """A tilt series cannot be analysed; the message has the reason and the remedy."""


class View(NamedTuple):
    """One image of a stack.

    Attributes:
        image: index in the stack, 0-based.
        angle_deg: tilt angle in degrees.
        transform: (A11, A12, A21, A22, DX, DY) as in IMOD's .xf files; None if the images of the
            stack are already aligned.
        dose_before: accumulated dose before the view, e/A^2.
        dose: dose of the view, e/A^2.
        enabled: whether the view is used.
    """

    image: int
    angle_deg: float
    transform: Optional[Tuple[float, ...]]
    dose_before: float
    dose: float
    enabled: bool


class Series(NamedTuple):
    """A tilt series for the engine: path of the stack, number of its images, views."""

    stack: str
    images: int
    views: List[View]


def series_of(images, interpolated):
    """The Series of the views of a tilt series.

    Args:
        images: TiltImages of the tilt series; they are not stored.
        interpolated: whether the images of the stack are already aligned.

    Raises:
        SeriesError: alignment, angles, doses or images are missing or contradict each other.
    """
    images = sorted(images, key=lambda image: image.getIndex() or 0)
    stack = _stack_of(images)
    count = _images_in(stack)
    indices = [image.getIndex() for image in images]
    if len(set(indices)) < len(indices) or not 1 <= indices[0] <= indices[-1] <= count:
        raise SeriesError(f"expected views that are images 1 to {count} of {stack}, got {indices}")
    doses = _doses_of(images)
    views = [
        View(
            image=image.getIndex() - 1,
            angle_deg=_angle_of(image),
            transform=_transform_of(image, interpolated),
            dose_before=before,
            dose=dose,
            enabled=image.isEnabled(),
        )
        for image, (before, dose) in zip(images, doses)
    ]
    return Series(stack, count, views)


def series_or_problem(tilt_series):
    """(Series, None) of a tilt series of Scipion; (None, message) if it cannot be analysed."""
    images = [image.clone() for image in tilt_series.iterItems()]
    try:
        return series_of(images, tilt_series.interpolated()), None
    except SeriesError as error:
        return None, str(error)


def taken_by_angle(series):
    """Whether the views were acquired in the order of their tilt angles."""
    by_dose = sorted(series.views, key=lambda view: view.dose_before)
    angles = [view.angle_deg for view in by_dose]
    return angles in (sorted(angles), sorted(angles, reverse=True))


def _stack_of(images):
    paths = {image.getFileName() for image in images}
    if not images or None in paths:
        raise SeriesError("it has no images")
    if len(paths) > 1:
        raise SeriesError(
            f"its views lie in {len(paths)} files: make a stack of them first, for example with "
            "*imod - tilt-series preprocess*"
        )
    (path,) = paths
    for suffix in MRC_SUFFIXES:
        path = path[: -len(suffix)] if path.endswith(suffix) else path
    return os.path.abspath(path)


def _images_in(stack):
    try:
        return images_in_stack(stack)
    except TomogramError as error:
        raise SeriesError(str(error)) from error


def _angle_of(image):
    angle = image.getTiltAngle()
    if angle is None:
        raise SeriesError(f"image {image.getIndex()} has no tilt angle: import it with its angles")
    return angle


def _transform_of(image, interpolated):
    if image.hasTransform():
        matrix = image.getTransform().getMatrix()  # 3 x 3, or 4 x 4 with z
        (a11, a12), (a21, a22) = matrix[0][:2], matrix[1][:2]
        return tuple(map(float, (a11, a12, a21, a22, matrix[0][-1], matrix[1][-1])))
    if interpolated:
        return None
    if image.isEnabled():
        raise SeriesError(NO_ALIGNMENT)
    return UNMOVED  # the view is not used


def _doses_of(images):
    """[(dose before the view, dose of the view)] of images, e/A^2."""
    acquisitions = [image.getAcquisition() for image in images]
    accumulated = [a.getAccumDose() if a is not None else None for a in acquisitions]
    if not all(dose is not None and dose > 0 for dose in accumulated):
        raise SeriesError(NO_DOSE)
    ascending = [0.0, *sorted(accumulated)]
    doses = []
    for acquisition, end in zip(acquisitions, accumulated):
        dose = acquisition.getDosePerFrame()
        if not dose or dose <= 0:
            dose = end - ascending[ascending.index(end) - 1]
        if dose > end * (1 + DOSE_TOLERANCE):
            raise SeriesError(
                f"a view got {dose:g} e/A^2, but has accumulated only {end:g} with it: the "
                "accumulated dose must include the view itself"
            )
        doses.append((max(end - dose, 0.0), dose))
    return doses


def write_files(series, folder, stem):
    """Write the files that the engine reads of a tilt series besides its stack.

    Args:
        series: a Series.
        folder: folder of the files; created if it is missing.
        stem: name of the files without suffix.

    Returns:
        {"xf", "tlt", "doses", "excluded"} for the job's entry: paths of the files ("xf" is None if
        the images are already aligned), and the 0-based indices of the unused images.
    """
    views = _with_missing(series)
    aligned = all(view.transform is not None for view in views if view.enabled)
    columns = {
        "tlt": [f"{v.angle_deg:.3f}" for v in views],
        "doses": [f"{v.dose_before:.4f} {v.dose:.4f}" for v in views],
    }
    if aligned:
        columns["xf"] = [_xf_row(v.transform or UNMOVED) for v in views]
    paths = {"xf": None}
    os.makedirs(folder, exist_ok=True)
    for name, lines in columns.items():
        paths[name] = os.path.join(folder, f"{stem}.{name}")
        with open(paths[name], "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
    excluded = [image for image, view in enumerate(views) if not view.enabled]
    return {**paths, "excluded": excluded}


def _with_missing(series):
    """Views of all images of the stack; images that are not in the set are excluded.

    Each view needs a different dose before it, so the missing views come after all others.
    """
    rows = {view.image: view for view in series.views}
    end = max(view.dose_before + view.dose for view in series.views)
    missing = [image for image in range(series.images) if image not in rows]
    for number, image in enumerate(missing):
        rows[image] = View(image, 0.0, UNMOVED, end + number, 1.0, False)
    return [rows[image] for image in range(series.images)]


def _xf_row(transform):
    return "{:.7f} {:.7f} {:.7f} {:.7f} {:.3f} {:.3f}".format(*transform)
