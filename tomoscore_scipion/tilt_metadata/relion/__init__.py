# SPDX-License-Identifier: GPL-3.0-or-later
"""RELION 5's star file of one tilt series."""
