# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of plots, as in the report (see report.css); safe for colour-blind readers."""

ACCEPTED, REJECTED, FAILED = "#0072b2", "#d55e00", "#555555"
NEUTRAL = "#aab4be"
SLAB = "#dbeaf3"
