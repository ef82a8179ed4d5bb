# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of records: their names, and whether they can be compared at all."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Iterable, Mapping, Sequence

from tomoscore_scipion.comparison.ids import common_names, remark_on
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.records.record import Score, default_ts_id
from tomoscore_scipion.records.record_files import SUFFIX, records_of

HASH_SHOWN = 12


def read_sets(paths: Sequence[str], names: Sequence[str] | None = None) -> dict[str, list[Score]]:
    """Read sets of records.

    Args:
        paths: a file of records, or a folder of such, for each set.
        names: of the sets; made from the paths when None.

    Returns:
        {name: records}, of each id the last one.

    Raises:
        StartError: names do not fit, or records cannot be read.
    """
    names = names_of(paths) if names is None else names
    if len(names) != len(paths):
        raise StartError(f"expected {len(paths)} names, one for each set, got {len(names)}")
    check_names(names)
    return {name: _latest(records_of([path])) for name, path in zip(names, paths)}


def names_of(paths: Sequence[str]) -> list[str]:
    """A name for each path: that of the file, with its folder's where several have the same."""
    whole = [os.path.abspath(path) for path in paths]
    stems = [
        default_ts_id(path[: -len(SUFFIX)] if path.endswith(SUFFIX) else path) for path in whole
    ]
    if len(set(stems)) == len(stems):
        return stems
    folders = [default_ts_id(os.path.dirname(path)) for path in whole]
    if len(set(folders)) == len(folders):
        return folders
    return [f"{number}: {stem}" for number, stem in enumerate(stems, 1)]


def check_names(names: Sequence[str]) -> None:
    """See that sets can be told apart by their names.

    Raises:
        StartError: one is empty, or there twice.
    """
    for name in names:
        if not name.strip() or not name.isprintable():
            raise StartError(f"expected names that can be printed, got {name!r}")
        if list(names).count(name) > 1:
            raise StartError(f"two sets have the name {name!r}: give each one of its own")


def check_models(models: Mapping[str, Iterable[str]]) -> None:
    """See that one model scored all sets: scores of several cannot be compared.

    Args:
        models: {name of a set: the sha256 of the models that scored it}.

    Raises:
        StartError: there are several.
    """
    all_of_them = {sha256 for found in models.values() for sha256 in found}
    if len(all_of_them) > 1:
        told = "; ".join(
            f"{name}: {', '.join(sorted(sha256[:HASH_SHOWN] for sha256 in set(found)))}"
            for name, found in models.items()
        )
        raise StartError(
            f"expected scores of one model, found several ({told}): score all sets with the same "
            "weights, the difference would be that of the models"
        )


def joined(
    sets: Mapping[str, Sequence[Score]],
) -> tuple[dict[str, list[Score]], list[str]]:
    """The sets with ids that agree across programs, see ids.py, and what is to be said of it."""
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
    """{name of a set: {ts_id: TomoScore}} of what was scored in each.

    Raises:
        StartError: several models scored.
    """
    scored = {
        name: [record for record in records if record.tomoscore is not None]
        for name, records in sets.items()
    }
    check_models(
        {name: [(r.model or {})["sha256"] for r in found] for name, found in scored.items()}
    )
    return {
        name: {record.ts_id: float(record.tomoscore or 0.0) for record in found}
        for name, found in scored.items()
    }


def remarks_on(sets: Mapping[str, Sequence[Score]]) -> list[str]:
    """What the reader should know of how the sets were scored; a list of lines."""
    found = []
    sizes = {name: _sizes(records) for name, records in sets.items()}
    if len({size for several in sizes.values() for size in several}) > 1:
        told = "; ".join(f"{n}: {', '.join(map('{:g}'.format, s))}" for n, s in sizes.items())
        found.append(
            f"Voxel sizes differ (A: {told}): what lies beyond Nyquist counts 0, so that a coarse "
            "voxel limits the score by itself."
        )
    limits = {
        name: {r.ts_id: _limits(r) for r in records if r.tomoscore is not None}
        for name, records in sets.items()
    }
    common = set.intersection(*(set(of) for of in limits.values()))
    differ = [t for t in sorted(common) if len({of[t] for of in limits.values()}) > 1]
    if differ:
        told = "; ".join(f"{name}: {of[differ[0]]}" for name, of in limits.items())
        found.append(
            f"Slab limits differ in {len(differ)} tilt series ({differ[0]}: {told}): not the same "
            "slices were scored."
        )
    return found


def _limits(record: Score) -> str:
    """The limits of the slab that was scored, in words."""
    if record.z_range is None:
        return "all slices"
    first, last = record.z_range
    return f"slices {first} to {'the last' if last is None else last}"


def _sizes(records: Sequence[Score]) -> list[float]:
    return sorted({round(r.voxel_size_angstrom, 2) for r in records if r.voxel_size_angstrom})


def _latest(records: Sequence[Score]) -> list[Score]:
    return list({record.ts_id: record for record in records}.values())
