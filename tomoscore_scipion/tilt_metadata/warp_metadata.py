# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp's metadata of a tilt series (.xml), parsed and never changed.

Read with the standard library's parser without document types and entities, which Warp never
writes and which can blow up or read other files.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError

WHAT = "Warp's XML metadata of a tilt series"


def read_xml(path: str, instead: str = "") -> Element:
    """The root of an XML file of Warp.

    Args:
        path: the file.
        instead: what can be given in its place, for messages, with a comma before it.

    Raises:
        TomogramError: it cannot be read, is no whole XML, or has a document type.
    """
    builder = TreeBuilder()

    def refuse(*_: object) -> None:
        raise TomogramError(
            f"{path}: it has a document type (DOCTYPE), which Warp never writes: not read, for it "
            "could name other files; remove that line if you trust the file"
        )

    text = read_text(path, WHAT)
    # Text that was saved in another encoding since still declares Warp's.
    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text.encode("utf-8"), True)
        return builder.close()
    except expat.ExpatError as error:
        raise TomogramError(
            f"{path}: expected {WHAT}, got no whole XML: it ends or breaks off in line "
            f"{error.lineno}; was it cut off, or edited? Copy it anew from Warp's folder"
            f"{instead}"
        ) from error
