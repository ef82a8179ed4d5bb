# SPDX-License-Identifier: GPL-3.0-or-later
"""Records for the tests of the report."""

import numpy as np
from scoring_fakes import make_score

from tomoscore_scipion.records.bands import (
    PERIODS_NM,
    curve_as_list,
    fraction_below_nyquist,
    scale_nm,
    tomoscore,
)
from tomoscore_scipion.records.record import Score

NASTY = "<script>alert(1)</script>'\"&amp;\u2028"
"""Text that must never become markup; older JavaScript takes the last character as a line end."""
NASTY_ID = NASTY[:-1]


def entries(scores):
    """Slice entries of a record from {plane: score}."""
    return tuple({"z": z, "tomoscore": s, "scale_nm": scale_nm(s)} for z, s in scores.items())


def record_of(curve, ts_id="TS_01", *, voxel=10.0, planes=100, slab=(20, 79), scores=None, **more):
    """A record with a curve of six bands; all slices have its score unless `scores` is given."""
    part = fraction_below_nyquist(voxel / 10)
    score = round(float(tomoscore(np.asarray(curve), part)), 4)
    inside = range(slab[0], slab[1] + 1, max(1, (slab[1] - slab[0]) // 8))
    return make_score(
        ts_id,
        score,
        scale_nm=scale_nm(score),
        curve={"period_nm": PERIODS_NM, "resolvability": curve_as_list(np.asarray(curve), part)},
        voxel_size_angstrom=voxel,
        shape_zyx=(planes, 200, 300),
        slab_z=slab,
        slices=entries(scores or dict.fromkeys(inside, score)),
        **more,
    )


def faulty_session():
    """Six records; of the two best, a looks unflipped, and both a and b are too thin."""
    levels = {"a": 0.6, "b": 0.55, "d": 0.5, "c": 0.5, "e": 0.53, "f": 0.3}
    thin = {"slab": (50, 51)}
    changes = {"a": {**thin, "warnings": ("looks unflipped: turn it",)}, "b": thin}
    return [record_of([level] * 6, key, **changes.get(key, {})) for key, level in levels.items()]


def session(number=12):
    """Records of a session: rising scores, one failed record, and an id with unsafe characters."""
    records = []
    for i in range(number):
        level = (i + 1) / number
        curve = np.clip(np.array([0.9, 0.8, 0.6, 0.4, 0.2, 0.05]) * level, 0, 1)
        records.append(record_of(curve, f"TS_{i + 1}", path=f"/data/TS_{i + 1}.mrc"))
    records.insert(3, Score.failed("TS_bad", "/data/TS_bad.mrc", f"cut off {NASTY}"))
    records.append(record_of([0.5] * 6, NASTY_ID, path=NASTY, warnings=(NASTY,)))
    return records
