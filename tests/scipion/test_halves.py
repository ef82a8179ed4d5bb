# SPDX-License-Identifier: GPL-3.0-or-later
"""Half maps of tomograms: measured beside the predicted score, kept by subsets and by Continue."""

import json
from pathlib import Path

from lab import ids, log_of


def entries_with_halves(lab):
    """Two tomograms, the first one with half maps."""
    halves = [lab.tomogram(f"a_{name}")["path"] for name in ("odd", "even")]
    return [lab.tomogram("a", 3.0, halves=halves), lab.tomogram("b", 2.0)], halves


def attributes(item):
    names = ("Halves", "HalvesLow", "HalvesHigh", "HalvesOctaves")
    return [getattr(item, f"_tomoScore{name}").get() for name in names]


def test_what_half_maps_say_is_on_every_tomogram(lab):
    entries, halves = entries_with_halves(lab)
    scored = lab.score(lab.source(entries))
    assert scored.isFinished(), log_of(scored)
    found = {item.getTsId(): attributes(item) for item in scored.scoredTomograms}
    assert found == {"a": [2.5, 2.25, 2.75, 5], "b": [None, None, None, 0]}
    jobs = Path(scored._getExtraPath("batches")).glob("*/job.json")
    told = [entry for job in jobs for entry in json.loads(job.read_text())["tomograms"]]
    named = {entry["ts_id"]: (entry.get("half1"), entry.get("half2")) for entry in told}
    assert named == {"a": tuple(halves), "b": (None, None)}


def test_the_filter_keeps_what_half_maps_say(lab):
    from tomoscore_scipion.protocols import ProtTomoScoreFilter

    entries, _ = entries_with_halves(lab)
    scored = lab.score(lab.source(entries))
    chosen = lab.launch(lab.new(ProtTomoScoreFilter, scored, "scoredTomograms", threshold=2.5))
    assert ids(chosen, "acceptedTomograms") == ["a"]
    assert attributes(chosen.acceptedTomograms.getFirstItem()) == [2.5, 2.25, 2.75, 5]


def test_half_maps_are_left_alone_where_the_form_says_so(lab):
    entries, _ = entries_with_halves(lab)
    scored = lab.score(lab.source(entries), measureHalves=False)
    found = {item.getTsId(): attributes(item) for item in scored.scoredTomograms}
    assert found == {name: [None, None, None, 0] for name in "ab"}
