# SPDX-License-Identifier: GPL-3.0-or-later
"""TomoScore: at which scale can features of a cellular tomogram be readily distinguished?

The engine (`tomoscore_scipion.engine`) works without Scipion; `Plugin` is what Scipion loads.
"""

__version__ = "0.2.0"

_logo = "icon.png"
_references = ["Tan2024"]


def __getattr__(name: str) -> type:
    """Import `Plugin`, and with it Scipion, only when somebody asks for it."""
    if name == "Plugin":
        from tomoscore_scipion.plugin import Plugin

        return Plugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
