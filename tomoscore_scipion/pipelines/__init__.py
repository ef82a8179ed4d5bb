# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of tomograms of other programs (RELION 5, WarpTools, AreTomo3), in and out."""
