# SPDX-License-Identifier: GPL-3.0-or-later
"""Tilt angles, doses, alignment and defocus of tilt series, as each program writes them."""
