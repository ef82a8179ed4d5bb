# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters shared by several forms: input, threshold, faults, GPU, threads and others."""

from pyworkflow.protocol import GPU_LIST, USE_GPU, params

from tomoscore_scipion.protocols.form_help import BORDERLINE_HELP, PRESET_HELP, READING, SLAB_HELP
from tomoscore_scipion.records.reasons import TOO_THIN, UNFAMILIAR, UNFLIPPED, UNKNOWN_VOXEL_SIZE
from tomoscore_scipion.records.verdict import BALANCED, CHOICES, CUSTOM, MAX_SCORE, PRESETS

OCTAVES = f"must be from 0 to {MAX_SCORE:g} octaves"

PERCENT = "must be from 0 to 100"
OPTIONAL_FILE = {"default": "", "allowsNull": True, "expertLevel": params.LEVEL_ADVANCED}

FAULT_SWITCHES = {
    "rejectUnflipped": (
        UNFLIPPED,
        "Unflipped",
        "Reject tomograms that look unflipped: y or x is the thin axis, so that the slices in xy "
        "are not those of the specimen.",
    ),
    "rejectThin": (
        TOO_THIN,
        "Too thin",
        "Reject tomograms with less than 50 nm of specimen in depth.",
    ),
    "rejectVoxelSize": (
        UNKNOWN_VOXEL_SIZE,
        "Voxel size unknown",
        "Reject tomograms with a voxel size of exactly 1 A, which many programs write when they do "
        "not know it.",
    ),
    "rejectUnfamiliar": (
        UNFAMILIAR,
        "Out of the model's depth",
        "Reject tomograms that are unlike anything that the model was trained on, so that their "
        "score may be wrong.",
    ),
}
"""{parameter: (name of the fault, label, help)}."""


def add_input(form, label, text):
    """Add the input set."""
    form.addParam(
        "inTomograms",
        params.PointerParam,
        pointerClass="SetOfTomograms",
        important=True,
        label=label,
        help=text,
    )


def add_threshold(form, condition="True"):
    """Add the preset of the threshold, its custom value, and the choice on borderline ones."""
    form.addParam(
        "preset",
        params.EnumParam,
        choices=CHOICES,
        default=BALANCED,
        display=params.EnumParam.DISPLAY_COMBO,
        condition=condition,
        label="Accept from TomoScore",
        help=PRESET_HELP,
    )
    form.addParam(
        "threshold",
        params.FloatParam,
        default=PRESETS[BALANCED][1],
        condition=f"({condition}) and preset == {CUSTOM}",
        validators=[params.GE(0.0, OCTAVES), params.LE(MAX_SCORE, OCTAVES)],
        label="Threshold (octaves)",
        help="A tomogram with this TomoScore or a higher one is accepted. The wizard shows the "
        "scores, when there are any, and how many tomograms would be accepted.\n\n" + READING,
    )
    form.addParam(
        "acceptBorderline",
        params.BooleanParam,
        default=True,
        condition=condition,
        label="Accept borderline tomograms?",
        help=BORDERLINE_HELP,
    )


def add_faults(form, condition="True"):
    """Add the faults for which a tomogram is rejected regardless of its score."""
    group = form.addGroup(
        "Reject regardless of the score", expertLevel=params.LEVEL_ADVANCED, condition=condition
    )
    for name, (_, label, text) in FAULT_SWITCHES.items():
        group.addParam(
            name,
            params.BooleanParam,
            default=False,
            expertLevel=params.LEVEL_ADVANCED,
            condition=condition,
            label=label,
            help=text + " Each rejected one has the reason in the column _tomoScoreDecidedBy.",
        )


def faults_chosen(protocol):
    """The names of the faults for which the form rejects tomograms."""
    faults = (fault for name, (fault, _, _) in FAULT_SWITCHES.items() if getattr(protocol, name))
    return frozenset(faults)


GPU_HELP = "A tomogram takes seconds on two CPU cores. On a GPU reading the file takes longest."


def add_gpu(form, text=GPU_HELP):
    """Add the choice and list of GPUs; `text` is the help on their benefit."""
    form.addHidden(
        USE_GPU,
        params.BooleanParam,
        default=False,
        label="Use GPU?",
        help=text,  # Scipion's window shows only the help of the list below
    )
    form.addHidden(
        GPU_LIST,
        params.StringParam,
        default="0",
        label="GPU IDs",
        help=text
        + "\n\nWith several GPUs batches are scored in parallel, one process per GPU. That needs "
        "a Scipion thread for each GPU and two more. In a queue only their number counts: so many "
        "jobs run at once, and the scheduler says which GPUs they see.",
    )


LAST_SLICE = -1
"""Value of *Last slice* that means the last slice of the volume."""


def add_slab(form):
    """Add the first and the last slice to score."""
    line = form.addLine("Slab limits", help=SLAB_HELP)
    line.addParam(
        "slabFirst",
        params.IntParam,
        default=0,
        validators=[params.GE(0, "must be 0 or more")],
        label="First slice",
        help=SLAB_HELP,
    )
    line.addParam(
        "slabLast",
        params.IntParam,
        default=LAST_SLICE,
        validators=[params.GE(LAST_SLICE, f"must be {LAST_SLICE} (the volume's last) or more")],
        label="Last slice",
        help=SLAB_HELP,
    )


def add_scoring_options(form):
    """Add the expert parameters: voxel size and weights."""
    form.addParam(
        "voxelSize",
        params.FloatParam,
        default=0.0,
        expertLevel=params.LEVEL_ADVANCED,
        validators=[params.GE(0.0)],
        label="Voxel size (A)",
        help="Used for all tomograms instead of the sampling rate that Scipion has. 0: Scipion's. "
        "All lengths in nm depend on it.",
    )
    add_calibration(form)
    add_weights(form)


def add_calibration(form):
    """Add the path of a calibration of the scores."""
    form.addParam(
        "calibration",
        params.FileParam,
        label="Calibration file",
        **OPTIONAL_FILE,
        help="A .json file that `tomoscore calibrate` learned from half maps of this session: "
        "curve, scores and intervals are corrected by it. Empty: they stay as predicted. "
        "Calibrated scores should not be compared with others.",
    )


def add_weights(form):
    """Add the path of a weights file."""
    form.addParam(
        "weights",
        params.FileParam,
        label="Weights",
        **OPTIONAL_FILE,
        help="A .safetensors file made by `tomoscore train`. Empty: the variable TOMOSCORE_MODEL "
        "of scipion.conf, and without it the weights that ship with the plugin. Scores of "
        "different weights should not be compared.",
    )


def add_halves(form):
    """Add the option to measure the score from half maps."""
    form.addParam(
        "measureHalves",
        params.BooleanParam,
        default=True,
        label="Measure half maps",
        help="Where a tomogram has half maps (odd and even, as MotionCor3, AreTomo, WarpTools and "
        "RELION make them) its score is also measured from them: _tomoScoreHalves with its 90 % "
        "interval, beside the predicted score, which decides as before. Half maps that cannot be "
        "used (denoised, displaced, of another tomogram) are named in the log and the report. It "
        "takes about twice the time.",
    )


def add_maps(form):
    """Add the option to write quality maps."""
    form.addParam(
        "writeMaps",
        params.BooleanParam,
        default=False,
        expertLevel=params.LEVEL_ADVANCED,
        label="Write quality maps",
        help="Write where in each tomogram features can be distinguished: the TomoScore per place "
        "as .mrc on a coarse grid, which overlays the tomogram in IMOD, napari, ChimeraX and "
        "Scipion, and a picture of it. They lie in the folder extra/maps of the run. On Continue "
        "only tomograms that are scored from then on get one.",
    )


def add_parallel(form):
    """Add threads: two engines of one thread are faster than one engine of two threads."""
    form.addParallelSection(
        threads=4,
        mpi=0,
        binThreads=1,
        binThreadsHelp="CPU threads of one engine process. On the CPU there are two fewer of these "
        "processes than Scipion threads: more processes of one thread score more than one of many. "
        "On GPUs there is one process for each of the *GPU IDs*: choose two Scipion threads more "
        "than GPUs. In a queue only the number of the GPU IDs counts: so many jobs run at once.",
    )
