# SPDX-License-Identifier: GPL-3.0-or-later
"""Correct the scores of a session by the halves of some of its tomograms.

`fit` computes a correction from records; `calibration` is the correction and its file; `apply`
corrects a record. Needs numpy only, and does not import Scipion.
"""
