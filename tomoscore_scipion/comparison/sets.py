# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of records: names, matched ids, and whether their scores can be compared."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Iterable, Mapping, Sequence

from tomoscore_scipion.comparison.ids import common_names, remark_on
from tomoscore_scipion.comparison.paired import Comparison, compare
from tomoscore_scipion.comparison.summary_text import METHOD, sentences
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score, default_ts_id
from tomoscore_scipion.records.record_files import SUFFIX, latest_of_each, records_of

HASH_SHOWN = 12


def read_sets(paths: Sequence[str], names: Sequence[str] | None = None) -> dict[str, list[Score]]:
    """Read sets of records.

    Args:
        paths: a file of records, or a folder of such, for each set.
        names: names of the sets; None: derived from the paths.

    Returns:
        {name: records}, the last record of each id.

    Raises:
        StartError: names do not fit, or records cannot be read.
    """
    names = names_of(paths) if names is None else names
    if len(names) != len(paths):
        raise StartError(f"expected {len(paths)} names, one for each set, got {len(names)}")
    check_names(names)
    return {name: latest_of_each(records_of([path])) for name, path in zip(names, paths)}


def names_of(paths: Sequence[str]) -> list[str]:
    """A name for each path: the file name, or the folder name if file names are equal."""
    absolute = [os.path.abspath(path) for path in paths]
    stems = [
        default_ts_id(path[: -len(SUFFIX)] if path.endswith(SUFFIX) else path) for path in absolute
    ]
    if len(set(stems)) == len(stems):
        return stems
    folders = [default_ts_id(os.path.dirname(path)) for path in absolute]
    if len(set(folders)) == len(folders):
        return folders
    return [f"{number}: {stem}" for number, stem in enumerate(stems, 1)]


def check_names(names: Sequence[str]) -> None:
    """Check that names are printable and different.

    Raises:
        StartError: a name is empty, not printable, or used twice.
    """
    for name in names:
        if not name.strip() or not name.isprintable():
            raise StartError(f"expected names that can be printed, got {name!r}")
        if list(names).count(name) > 1:
            raise StartError(f"two sets have the name {name!r}: give each one of its own")


def check_models(models: Mapping[str, Iterable[str]]) -> None:
    """Check that all sets were scored by one model, with one calibration or without.

    Args:
        models: {name of a set: `Score.made_by` of its records}.

    Raises:
        StartError: several models made the scores.
    """
    distinct = {sha256 for made_by in models.values() for sha256 in made_by}
    if len(distinct) > 1:
        listed = "; ".join(
            f"{name}: {', '.join(sorted(map(_short, set(made_by))))}"
            for name, made_by in models.items()
        )
        raise StartError(
            f"expected scores of one model, found several ({listed}): score all sets with the same "
            "weights and the same calibration, or all without one; the difference would be theirs"
        )


def _short(made_by: str) -> str:
    return "+".join(sha256[:HASH_SHOWN] for sha256 in made_by.split("+"))


def compare_sets(sets: Mapping[str, Sequence[Score]]) -> tuple[Comparison, list[str]]:
    """Compare sets of records.

    Args:
        sets: {name of a set: records}.

    Returns:
        The comparison, and sentences about it.

    Raises:
        StartError: the sets cannot be compared.
    """
    sets, joined_by = joined(sets)
    try:
        comparison = compare(scores_of(sets))
    except ValueError as error:
        raise StartError(f"{', '.join(sets)}: {error}") from error
    return comparison, [*sentences(comparison), *joined_by, *remarks_on(sets), METHOD]


def joined(sets: Mapping[str, Sequence[Score]]) -> tuple[dict[str, list[Score]], list[str]]:
    """Match the ids of sets across programs, see `ids.py`.

    Args:
        sets: {name of a set: records}.

    Returns:
        The sets with matched ids, and lines that report ignored parts of names.
    """
    ids = {
        name: [record.ts_id for record in records if record.tomoscore is not None]
        for name, records in sets.items()
    }
    cuts = common_names(ids)
    renamed = {
        name: [
            record if record.tomoscore is None else replace(record, ts_id=cut.of(record.ts_id))
            for record in sets[name]
        ]
        for name, cut in cuts.items()
    }
    return renamed, remark_on(cuts)


def scores_of(sets: Mapping[str, Sequence[Score]]) -> dict[str, dict[str, float]]:
    """{name of a set: {ts_id: TomoScore}} of the scored tomograms.

    Raises:
        StartError: several models made the scores.
    """
    scored = {
        name: [record for record in records if record.tomoscore is not None]
        for name, records in sets.items()
    }
    check_models({name: [r.made_by or "" for r in group] for name, group in scored.items()})
    return {
        name: {record.ts_id: float(record.tomoscore or 0.0) for record in group}
        for name, group in scored.items()
    }


def remarks_on(sets: Mapping[str, Sequence[Score]]) -> list[str]:
    """Lines on differences in how the sets were scored."""
    remarks = []
    sizes = {name: _sizes(records) for name, records in sets.items()}
    if len({size for several in sizes.values() for size in several}) > 1:
        listed = "; ".join(f"{n}: {', '.join(map('{:g}'.format, s))}" for n, s in sizes.items())
        remarks.append(
            f"Voxel sizes differ (A: {listed}): scales beyond Nyquist count 0, so that a coarse "
            "voxel limits the score by itself."
        )
    limits = {
        name: {r.ts_id: _limits(r) for r in records if r.tomoscore is not None}
        for name, records in sets.items()
    }
    common = set.intersection(*(set(by_id) for by_id in limits.values()))
    differ = [t for t in sorted(common) if len({by_id[t] for by_id in limits.values()}) > 1]
    if differ:
        listed = "; ".join(f"{name}: {by_id[differ[0]]}" for name, by_id in limits.items())
        remarks.append(
            f"Slab limits differ in {len(differ)} tilt series ({differ[0]}: {listed}): not the "
            "same slices were scored."
        )
    return remarks


def _limits(record: Score) -> str:
    """The slab limits of a record in words."""
    if record.z_range is None:
        return "all slices"
    first, last = record.z_range
    return f"slices {first} to {'the last' if last is None else last}"


def _sizes(records: Sequence[Score]) -> list[float]:
    return sorted({round(r.voxel_size_angstrom, 2) for r in records if r.voxel_size_angstrom})
