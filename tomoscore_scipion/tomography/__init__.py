# SPDX-License-Identifier: GPL-3.0-or-later
"""Physics and geometry of tilt series: back-projection, contrast transfer, radiation damage."""
