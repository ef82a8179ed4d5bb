# SPDX-License-Identifier: GPL-3.0-or-later
"""Agreement of the predicted scores of a session with those measured from half maps.

Needs numpy only, plots also matplotlib. Imports neither a model nor Scipion.
"""
