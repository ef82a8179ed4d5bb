# SPDX-License-Identifier: GPL-3.0-or-later
"""Help texts shared by several forms: meaning of the score, presets, slab limits, borderline."""

from tomoscore_scipion.records.simulated_scores import simulated_scores, simulated_scores_text
from tomoscore_scipion.records.verdict import presets_text

READING = (
    "The TomoScore is the number of octaves of feature scale that can be readily distinguished, "
    "from 0 (nothing) to 5 (everything down to 4 nm); higher is better. The resolvable scale is "
    "the same number in nanometres, 128 nm / 2^TomoScore:\n"
    "  1 = 64 nm: cell bodies and large organelles\n"
    "  2 = 32 nm: vesicles and granules\n"
    "  3 = 16 nm: membranes as lines, microtubules, ribosomes as blobs\n"
    "  4 = 8 nm: filaments, double membranes\n"
    "  5 = 4 nm: the leaflets of a bilayer\n"
    "It is about annotation and segmentation, not about subtomogram averaging, and does not "
    "replace a look at the tomograms near the threshold."
)

PRESET_HELP = (
    "The TomoScore from which a tomogram is accepted.\n"
    + presets_text()
    + "\n  *Custom*: the number below.\n"
    "*Balanced* rejects none of the real images of other laboratories that an experienced reader "
    "found good: they score 2.1 or more; two crops of 127 nm, which score less, are borderline. "
    "The model card has the figures.\n"
    + "The wizard shows the scores, when there are any, and how many tomograms would be accepted.\n"
    + simulated_scores_text(simulated_scores())
    + "\n"
    + READING
)

SLAB_HELP = (
    "Score only these slices in z, for example where contamination or a support film lies above "
    "or below the specimen. Slices count from 0 (3dmod counts from 1), both are included, and -1 "
    "as the last one is the last of each tomogram.\n\nThe defaults, 0 and -1, are for most "
    "tomograms: empty slices above and below the specimen do not count anyway. A tomogram that "
    "does not reach from the first to the last goes to failedTomograms."
)

NO_OUTPUT = (
    "An empty output is not created: when all tomograms are accepted there is no "
    "rejectedTomograms, and a protocol that is scheduled on it waits forever."
)

BORDERLINE_HELP = (
    "A tomogram is borderline when the 90 % interval of its score contains the threshold: its true "
    "score may lie on either side. Yes: borderline tomograms are accepted, so that only those are "
    "rejected that are clearly below the threshold. No: they are rejected, so that only those are "
    "accepted that are clearly above it. They are counted and marked in either case; look at them."
)
