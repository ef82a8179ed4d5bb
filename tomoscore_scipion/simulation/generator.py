# SPDX-License-Identifier: GPL-3.0-or-later
"""Version of the simulation, stated in truth files, training samples and cards."""

GENERATOR_VERSION = 14
"""Incremented whenever a seed gives another tomogram or other training samples."""
