# SPDX-License-Identifier: GPL-3.0-or-later
"""A RELION 5 project on disk, with the folders and file formats of its programs."""

COLUMNS = {
    "rlnTomoName": "{name}",
    "rlnVoltage": "  300.000000",
    "rlnTomoTiltSeriesPixelSize": "    1.350000",
    "rlnTomoTiltSeriesStarFile": "Tomograms/job007/tilt_series/{name}.star",
    "rlnTomoTomogramBinning": "   10.000000",
    "rlnTomoSizeX": "        4096",
    "rlnTomoReconstructedTomogram": "Tomograms/job007/tomograms/rec_{name}.mrc",
}
"""Labels and values in the tomograms.star of a Reconstruct tomograms job."""
STAR = "Tomograms/job007/tomograms.star"


def star_text(names, columns=COLUMNS, **changed):
    """Content of a tomograms.star; `changed` replaces columns, or omits them (None)."""
    columns = {**columns, **changed}
    columns = {label: value for label, value in columns.items() if value is not None}
    labels = [f"_{label} #{number} \n" for number, label in enumerate(columns, 1)]
    rows = [" ".join(value.format(name=name) for value in columns.values()) for name in names]
    body = "".join(labels) + "".join(f"{row} \n" for row in rows)
    return f"\n# version 50001\n\ndata_global\n\nloop_ \n{body} \n"


def write_project(folder, names, save=None, **changed):
    """Write a project with a tomograms.star and its tomograms.

    Args:
        folder: path of a new folder.
        names: names of the tomograms.
        save: function called with the path of each tomogram; None makes empty files.
        changed: see `star_text`.

    Returns:
        Path of the star file.
    """
    tomograms = folder / "Tomograms" / "job007" / "tomograms"
    tomograms.mkdir(parents=True)
    for name in names:
        (save or (lambda path: path.touch()))(tomograms / f"rec_{name}.mrc")
    (folder / STAR).write_text(star_text(names, **changed))
    return folder / STAR
