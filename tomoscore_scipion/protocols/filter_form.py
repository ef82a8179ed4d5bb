# SPDX-License-Identifier: GPL-3.0-or-later
"""Parameters of ProtTomoScoreFilter: the criterion, and the best N, lists of ids and rules."""

from pyworkflow.protocol import params

from tomoscore_scipion.protocols.form import PERCENT
from tomoscore_scipion.protocols.form_help import READING

CRITERIA = ("TomoScore", "best N", "best percent", "list of ids", "examples")
BY_THRESHOLD, BY_COUNT, BY_PERCENT, BY_IDS, BY_RULE = range(len(CRITERIA))

CRITERION_HELP = (
    "Accept all from a TomoScore on, a number of the best, a percentage of them, those of a list "
    "of ids, or those from the threshold on that was learned from examples.\n\n" + READING
)

IDS_HELP = (
    "The verdicts of a person. Either the file that *Save verdicts* of the report writes: each "
    "line has the id of a tomogram, *accepted* or *rejected*, and who decided: *score*, *hand* or "
    "a fault. Or the ids of the tomograms to accept, one per line or with commas between them. "
    "Tomograms that are not in the list are rejected. The column _tomoScoreDecidedBy says who "
    "decided."
)

RULE_HELP = (
    "The threshold that *TomoScore - threshold from examples* found: choose its run, or a rule "
    "file (threshold.json in the folder extra of such a run, or one that tomoscore wrote). "
    "Tomograms with this TomoScore or a higher one are accepted, whatever their interval. From 30 "
    "examples on, the rule may weigh the octaves of the curve instead. A rule is for scores of the "
    "weights that it was learned with."
)


def add_criterion(form):
    """Add the choice of the criterion."""
    form.addParam(
        "criterion",
        params.EnumParam,
        choices=list(CRITERIA),
        default=BY_THRESHOLD,
        display=params.EnumParam.DISPLAY_HLIST,
        label="Accept by",
        help=CRITERION_HELP,
    )


def add_best(form):
    """Add the number and the percentage of the best."""
    form.addParam(
        "count",
        params.IntParam,
        default=10,
        condition=f"criterion == {BY_COUNT}",
        validators=[params.GE(1, "must be 1 or more")],
        label="N",
        help="The N best tomograms are accepted; of equal scores the first by name.",
    )
    form.addParam(
        "percent",
        params.FloatParam,
        default=50.0,
        condition=f"criterion == {BY_PERCENT}",
        validators=[params.GE(0.0, PERCENT), params.LE(100.0, PERCENT)],
        label="Percent",
        help="This percentage of the best is accepted, rounded up to whole tomograms.",
    )


def add_ids(form):
    """Add the list of ids, as a file or as text."""
    options = {"default": "", "allowsNull": True, "condition": f"criterion == {BY_IDS}"}
    form.addParam("idsFile", params.FileParam, label="File with ids", help=IDS_HELP, **options)
    form.addParam(
        "idsText", params.TextParam, label="or ids", width=40, height=6, help=IDS_HELP, **options
    )


def add_rule(form):
    """Add the rule, as a run that learned it or as a file."""
    options = {"allowsNull": True, "condition": f"criterion == {BY_RULE}", "help": RULE_HELP}
    form.addParam(
        "ruleRun",
        params.PointerParam,
        pointerClass="ProtTomoScoreThreshold",
        label="Threshold from examples",
        **options,
    )
    form.addParam("ruleFile", params.FileParam, default="", label="or rule file", **options)
