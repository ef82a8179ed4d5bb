# SPDX-License-Identifier: GPL-3.0-or-later
"""Accuracy of the score: tomograms with a known truth, and invariances that must hold."""
