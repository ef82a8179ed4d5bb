# SPDX-License-Identifier: GPL-3.0-or-later
"""TomoScore vs dose with the real engine and the shipped weights, on small tilt series."""

import numpy as np
import pytest
from lab import ids, log_of, write_mrc
from test_dose import views_on
from test_real_engine import real_engine  # noqa: F401

VIEWS, SIZE = 11, 96
NOISE_AT_MOST = 1.2
"""Limit for noise in a small field, where a few waves of coarse octaves resemble matter."""
IDENTITY = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def noise(path):
    """A stack of independent noise in each view."""
    write_mrc(path, 0.0, (VIEWS, SIZE, SIZE), voxel_size=16.0)
    images = np.random.default_rng(1).normal(size=(VIEWS, SIZE, SIZE)).astype("<f4")
    with open(path, "r+b") as file:
        file.seek(1024)
        file.write(images.tobytes())


@pytest.mark.slow
def test_the_real_engine_analyses_tilt_series_of_any_kind(lab, real_engine):  # noqa: F811
    entries = [
        lab.series("plain", views=VIEWS, transforms=[IDENTITY] * VIEWS),
        lab.series("gaps", views=VIEWS, transforms=[IDENTITY] * VIEWS, missing=[2, 11]),
        lab.series("disabled", views=VIEWS, transforms=[IDENTITY] * VIEWS, disabled=[1]),
        lab.series("interpolated", views=VIEWS, aligned=False, interpolated=True),
        lab.series("corrupt", views=VIEWS),
    ]
    for entry in entries[:-1]:
        noise(entry["path"])
    with open(entries[-1]["path"], "r+b") as file:
        file.truncate(2000)
    protocol = lab.dose(lab.source_of_series(entries), binThreads=1)
    assert protocol.isFinished(), log_of(protocol)
    names = ["disabled", "gaps", "interpolated", "plain"]
    assert ids(protocol, "limitedTiltSeries") == names, log_of(protocol)
    assert ids(protocol, "failedTiltSeries") == ["corrupt"]
    for series in protocol.limitedTiltSeries.iterItems():
        dose, total = (series.getAttributeValue(f"_tomoScoreDose{n}") for n in ("", "Total"))
        assert 0 < dose <= total <= 3.0 * VIEWS
        assert series.getAttributeValue("_tomoScore") < NOISE_AT_MOST
        assert series.getAttributeValue("_tomoScoreDoseReason")
    on = views_on(protocol.limitedTiltSeries)
    assert on["plain"] == on["interpolated"] == set(range(1, VIEWS + 1))
    assert on["gaps"] == on["plain"] - {2, 11} and on["disabled"] == on["plain"] - {1}
