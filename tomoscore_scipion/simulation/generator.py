# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of the simulation, which truth files, training samples and cards state."""

GENERATOR_VERSION = 12
"""Raised whenever a seed no longer gives the same tomogram or the same training samples."""
