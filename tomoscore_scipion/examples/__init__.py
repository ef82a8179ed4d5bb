# SPDX-License-Identifier: GPL-3.0-or-later
"""A threshold or a rule learned from tomograms that were marked good or bad. Needs numpy only."""
