# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line `tomoscore`: one module per command. Nothing imports this package."""
