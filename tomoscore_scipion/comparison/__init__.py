# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of scores of the same tilt series that were processed in several ways.

Needs numpy only, plots also matplotlib. Imports neither a model nor Scipion.
"""
