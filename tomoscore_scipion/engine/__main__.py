# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tomoscore_scipion.engine`: the command line without its console script."""

import sys

from tomoscore_scipion.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
