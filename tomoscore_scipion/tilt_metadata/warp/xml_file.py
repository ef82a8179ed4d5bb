# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the metadata of Warp (.xml), which is never changed.

defusedxml refuses document types and entities. Warp does not write them, and they can refer to
other files or expand to more than the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tomoscore_scipion.reading.text_file import read_text
from tomoscore_scipion.records.errors import TomogramError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

CONTENT = "Warp's XML metadata of a tilt series"


def read_xml(path: str, instead: str = "") -> Element:
    """Read an XML file of Warp.

    Args:
        path: the file.
        instead: end of the message, with what can be given instead of the file.

    Returns:
        The root element.

    Raises:
        TomogramError: the file cannot be read, is not complete XML, or has a document type.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    text = read_text(path, CONTENT)
    try:
        # Parse text, not bytes: a file saved in another encoding may still declare the original
        # one.
        return cast("Element", fromstring(text, forbid_dtd=True))
    except DefusedXmlException as error:
        raise TomogramError(
            f"{path}: it has a document type (DOCTYPE), which Warp never writes: not read, for it "
            "could name other files; remove that line if you trust the file"
        ) from error
    except ParseError as error:
        raise TomogramError(
            f"{path}: expected {CONTENT}, got no whole XML: it ends or breaks off in line "
            f"{error.position[0]}; was it cut off, or edited? Copy it anew from Warp's folder"
            f"{instead}"
        ) from error
