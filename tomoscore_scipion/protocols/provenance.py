# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of the output sets: model, engine, settings and criteria that made them."""

from pyworkflow.object import Boolean, Float, Integer, String

from tomoscore_scipion.protocols.item_attributes import SEPARATOR, value
from tomoscore_scipion.records.record import maker

MODEL_SHA256 = "_tomoScoreModelSha256"
CALIBRATION_SHA256 = "_tomoScoreCalibrationSha256"
OCTAVE_WEIGHTS = "_tomoScoreOctaveWeights"
DEVICE = "_tomoScoreDevice"
ENGINE_PROVENANCE = {
    "_tomoScoreModel": String,
    "_tomoScoreModelVersion": String,
    MODEL_SHA256: String,
    "_tomoScoreEngineVersion": String,
    DEVICE: String,
}
"""Attributes of all outputs of the engine, and their classes."""

PROVENANCE = {
    **ENGINE_PROVENANCE,
    "_tomoScoreVoxelSize": Float,  # used instead of the voxel sizes of the items; 0: none
    "_tomoScoreSlabFirst": Integer,  # the first slice that was scored, from 0
    "_tomoScoreSlabLast": Integer,  # the last slice that was scored; -1: last of the tomogram
    CALIBRATION_SHA256: String,  # of the calibration file; none for uncalibrated scores
    "_tomoScoreCalibration": String,  # name of the calibration file
    "_tomoScoreThreshold": Float,
    "_tomoScoreAtMost": Integer,  # maximum number of accepted tomograms; 0: no limit
    "_tomoScorePercent": Float,  # percentage of the best that was accepted
    "_tomoScoreAcceptBorderline": Boolean,  # whether borderline tomograms were accepted
    "_tomoScoreRejectFaults": String,  # faults for which tomograms were rejected, with commas
    OCTAVE_WEIGHTS: String,  # weights of octaves and intercept of the rule that decided
    "_tomoScoreIds": String,  # source of the list of ids that decided
}
"""Attributes of sets of scored tomograms, and their classes."""


def engine_provenance(record):
    """{attribute of the sets: value} from a record of the engine."""
    names = (record.model["name"], record.model["version"], record.model["sha256"])
    return dict(zip(ENGINE_PROVENANCE, (*names, record.engine_version, record.device)))


def maker_of(outputs):
    """Value of `Score.made_by` for the items of a set; None if the set does not have it."""
    sha256 = value(outputs, MODEL_SHA256)
    return maker(sha256, value(outputs, CALIBRATION_SHA256)) if sha256 else None


def criteria_provenance(criteria):
    """{attribute of the sets: value} from verdict.Criteria."""
    has_threshold = criteria.threshold is not None
    return {
        "_tomoScoreThreshold": criteria.threshold,
        "_tomoScoreAtMost": criteria.at_most,
        "_tomoScoreAcceptBorderline": criteria.accept_borderline if has_threshold else None,
        "_tomoScoreRejectFaults": SEPARATOR.join(sorted(criteria.faults)) or None,
    }


def provenance_of(items, kinds=PROVENANCE):
    """{attribute: value} of a set; None for attributes that it lacks."""
    return {name: value(items, name) for name in kinds}
