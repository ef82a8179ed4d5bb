# SPDX-License-Identifier: GPL-3.0-or-later
"""Acquisition times of an .mdoc on 12-hour and 24-hour clocks, and the order of views from them."""

import dose_files
import numpy as np
import pytest
from dose_files import ANGLES, DOSE, RANK

from tomoscore_scipion.records.errors import TomogramError
from tomoscore_scipion.tilt_metadata.mdoc.series import read_mdoc
from tomoscore_scipion.tilt_metadata.mdoc.times import time_of

N = len(ANGLES)
BY_ANGLE, AS_TAKEN = np.arange(N), np.argsort(RANK)
FROM_11_45 = 11 * 60 + 45
"""Start of the series in minutes of the day; the series passes noon."""


def clock(rank, step=4):
    return divmod(FROM_11_45 + step * int(rank), 60)


def twelve_hour_times(form, step=4):
    """Times on a 12-hour clock."""

    def line(rank):
        hour, minute = clock(rank, step)
        half = "AM" if hour < 12 else "PM"
        shown = form.format(h=(hour - 1) % 12 + 1, m=minute, half=half, small=half.lower())
        return f"DateTime = 14-Mar-24  {shown}"

    return line


def read(tmp_path, order, times):
    path = tmp_path / "TS_01.mdoc"
    path.write_text(dose_files.mdoc(order, prior=False, times=times))
    found = read_mdoc(str(path))
    order = np.argsort(found.angles_deg)
    return found.exposures.before[order], found.warnings


@pytest.mark.parametrize("order", [BY_ANGLE, AS_TAKEN], ids=["by angle", "as taken"])
@pytest.mark.parametrize(
    "form", ["{h:02d}:{m:02d}:30 {half}", "{h}:{m:02d}:30{half}", "{h}:{m:02d}:30.25 {half[0]}.M."]
)
def test_times_with_am_and_pm_give_the_order(tmp_path, order, form):
    before, warnings = read(tmp_path, order, twelve_hour_times(form))
    np.testing.assert_allclose(before, DOSE * RANK)
    assert warnings == ()
    small = twelve_hour_times(form.replace("{half", "{small").replace("M.", "m."))
    before, _ = read(tmp_path, order, small)
    np.testing.assert_allclose(before, DOSE * RANK)


@pytest.mark.parametrize("step", [2, 4, 15, 30])
@pytest.mark.parametrize("order", [BY_ANGLE, BY_ANGLE[::-1]], ids=["rising", "falling"])
def test_times_past_noon_without_am_and_pm_are_refused(tmp_path, order, step):
    with pytest.raises(TomogramError, match=r"TS_01\.mdoc: the order.*12-hour clock.*--doses"):
        read(tmp_path, order, twelve_hour_times("{h:02d}:{m:02d}:30", step=10 + step))


def test_times_past_noon_without_am_and_pm_in_file_order_give_a_warning(tmp_path):
    before, warnings = read(tmp_path, AS_TAKEN, twelve_hour_times("{h:02d}:{m:02d}:30", step=15))
    np.testing.assert_allclose(before, DOSE * RANK)
    assert "12-hour clock without AM and PM" in warnings[0]


def test_am_and_pm_in_only_some_times_are_refused(tmp_path):
    def times(rank):
        return twelve_hour_times("{h:02d}:{m:02d}:30 {half}" if rank % 2 else "{h:02d}:{m:02d}:30")(
            rank
        )

    with pytest.raises(TomogramError, match="some of their times have AM or PM"):
        read(tmp_path, BY_ANGLE, times)


@pytest.mark.parametrize("order", [BY_ANGLE, AS_TAKEN], ids=["by angle", "as taken"])
@pytest.mark.parametrize("zone", ["Z", "+01:00", "-0530"])
def test_times_with_a_time_zone_give_the_order(tmp_path, order, zone):
    def times(rank):
        return "DateTime = 2024-03-14T{:02d}:{:02d}:30.125{}".format(*clock(rank, 15), zone)

    before, warnings = read(tmp_path, order, times)
    np.testing.assert_allclose(before, DOSE * RANK)
    assert warnings == ()


def test_a_change_of_time_zone_does_not_change_the_order(tmp_path):
    def times(rank):
        if rank < 5:
            return f"DateTime = 2024-10-27T02:{50 + rank}:00+02:00"
        return f"DateTime = 2024-10-27T02:{rank:02d}:00+01:00"

    before, _ = read(tmp_path, BY_ANGLE, times)
    np.testing.assert_allclose(before, DOSE * RANK)


def test_a_time_zone_in_only_some_times_is_refused(tmp_path):
    def times(rank):
        return twenty_four_hour_times(600, 4)(rank) + ("+01:00" if rank % 2 else "")

    with pytest.raises(TomogramError, match="or a time zone, and others have not"):
        read(tmp_path, BY_ANGLE, times)


def with_prior(tmp_path, priors, times=None):
    path = tmp_path / "TS_01.mdoc"
    text = dose_files.mdoc(BY_ANGLE, times=times)
    for view, prior in enumerate(priors):
        old = f"PriorRecordDose = {DOSE * RANK[view]}"
        head, section = text.split(f"[ZValue = {view}]")
        text = head + f"[ZValue = {view}]" + section.replace(old, f"PriorRecordDose = {prior}", 1)
    path.write_text(text)
    return read_mdoc(str(path))


@pytest.mark.parametrize("priors", [DOSE * np.arange(N), DOSE * np.arange(N)[::-1]])
def test_doses_that_contradict_the_times_give_a_warning(tmp_path, priors):
    (warning,) = with_prior(tmp_path, priors).warnings
    assert "another order of acquisition than the doses" in warning and "--doses" in warning


def test_doses_in_the_order_of_the_times_give_no_warning(tmp_path):
    assert with_prior(tmp_path, DOSE * RANK).warnings == ()
    assert with_prior(tmp_path, DOSE * RANK, times=lambda rank: "").warnings == ()


def test_mdoc_doses_that_do_not_begin_with_0_give_a_warning(tmp_path):
    (warning,) = with_prior(tmp_path, DOSE * (RANK + 1)).warnings
    assert "TS_01.mdoc: the first view has a PriorRecordDose of 3 e/A^2" in warning


def twenty_four_hour_times(start, step, day=14):
    def line(rank):
        minutes = start + step * int(rank)
        hour, minute = divmod(minutes % 1440, 60)
        return f"DateTime = {day + minutes // 1440}-Mar-24  {hour:02d}:{minute:02d}:30"

    return line


@pytest.mark.parametrize(
    ("start", "step"),
    [(FROM_11_45, 4), (FROM_11_45, 15), (FROM_11_45, 60), (60, 4), (60, 60), (23 * 60, 30)],
    ids=["noon", "past one", "to the evening", "at night", "all morning", "over midnight"],
)
def test_a_24_hour_clock_gives_no_warning(tmp_path, start, step):
    before, warnings = read(tmp_path, BY_ANGLE, twenty_four_hour_times(start, step))
    np.testing.assert_allclose(before, DOSE * RANK)
    assert warnings == ()


def test_a_long_pause_within_a_series_does_not_change_the_order(tmp_path):
    def times(rank):
        return (
            twenty_four_hour_times(60, 4)(rank)
            if rank < 6
            else twenty_four_hour_times(11 * 60, 4)(rank)
        )

    before, warnings = read(tmp_path, AS_TAKEN, times)
    np.testing.assert_allclose(before, DOSE * RANK)
    assert warnings == ()


@pytest.mark.parametrize(
    "text",
    ["14-Mar-24  13:05:30 PM", "14-Mar-24  00:05:30 AM", "14-Mar-24  24:00:00", "14-Mar-24  1:2:3"]
    + ["14-Foo-24  10:00:00", "32-Mar-24  10:00:00", "10:00:00", "14/03/24 10:00:00", "noon"],
)
def test_invalid_times_are_not_parsed(text):
    assert time_of(text) is None
