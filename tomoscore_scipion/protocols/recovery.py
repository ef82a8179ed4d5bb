# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair output sets that have lost their path or provenance in the database.

Stop writes the outputs to the run's database with their ids in the project's database. These ids
differ if other protocols were added in the meantime, and then rows such as the path or attributes
of a set are lost. The file of the set still has them.
"""

import logging
import os
import sqlite3
from pathlib import Path

from pyworkflow.object import Set

logger = logging.getLogger(__name__)

TABLES = {"Objects", "Classes", "Properties"}
WAIT_S = 60.0
"""Maximum time to wait for a file that another process writes."""


def known_path(protocol, name):
    """Path of the file of an output that OutputSets creates."""
    kind = protocol._possibleOutputs[name].__name__.lower().replace("setof", "")
    return protocol._getPath(f"{kind}_{name}.sqlite")


def is_readable(path):
    """Whether a file holds a readable set with its items."""
    if not os.path.isfile(path):
        return False
    try:
        database = sqlite3.connect(Path(path).resolve().as_uri() + "?mode=ro", WAIT_S, uri=True)
        try:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not {name for (name,) in rows} >= TABLES:
                return False
            database.execute("SELECT count(*) FROM Objects").fetchone()
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        logger.warning("%s: %s", path, error)
        return False
    return True


def has_path(items):
    """Whether a set has the path of its file."""
    return len(items._mapperPath) > 1


def read_again(items, path, kinds):
    """Set the path, the attributes and the size of a set from its file.

    Args:
        items: the set.
        path: path of its file, which is readable (see `is_readable`).
        kinds: {attribute: class} of the provenance.
    """
    items.close()
    items._mapperPath.set(f"{path}, ")
    for name, kind in kinds.items():
        if not items.hasAttribute(name):
            setattr(items, name, kind())
    stored = set(items._getMapper().getPropertyKeys())
    items.loadAllProperties()
    for name in kinds:
        if name not in stored:  # attributes without a value are not stored
            getattr(items, name).set(None)
    items._size.set(items._getMapper().count())
    items.close()


def readable_output(protocol, name):
    """An output set if it can be read, else None; its path is repaired in memory only.

    Args:
        protocol: a TomoScoreProtocol.
        name: name of the output.
    """
    items = getattr(protocol, name, None)
    if not isinstance(items, Set):
        return None
    if has_path(items):
        return items if os.path.exists(items.getFileName()) else None
    path = known_path(protocol, name)
    if not is_readable(path):
        return None
    read_again(items, path, protocol._provenanceKinds)
    return items


def mend_outputs(protocol):
    """Repair the outputs of a protocol in its database, and remove those without a file.

    Returns:
        Names of the removed outputs, which must be made again.
    """
    lost = []
    for name, items in list(protocol.iterOutputAttributes()):
        if name not in protocol._possibleOutputs:
            continue
        path = known_path(protocol, name)
        if is_readable(path):
            if not has_path(items) or items.getFileName() != path:
                logger.warning("%s had lost its path: read again from %s.", name, path)
            read_again(items, path, protocol._provenanceKinds)
            protocol._store(items)
        else:
            logger.warning("%s is lost: expected its file at %s. It is made again.", name, path)
            protocol._deleteChild(name, items)
            delattr(protocol, name)
            protocol._outputs.remove(name)
            protocol._store(protocol._outputs)
            lost.append(name)
    return lost
