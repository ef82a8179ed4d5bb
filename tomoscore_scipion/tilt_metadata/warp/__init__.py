# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp's metadata (.xml) of one tilt series."""
