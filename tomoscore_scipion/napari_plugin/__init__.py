# SPDX-License-Identifier: GPL-3.0-or-later
"""Scored tomograms in napari: a reader and a widget of its plugin interface (npe2)."""
