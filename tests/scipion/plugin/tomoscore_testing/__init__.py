# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin for tests only: a streaming source and a streaming consumer of tomograms."""

import pwem

__version__ = "0"


class Plugin(pwem.Plugin):
    """The plugin has protocols only."""

    @classmethod
    def _defineVariables(cls):
        pass

    @classmethod
    def defineBinaries(cls, env):
        pass
