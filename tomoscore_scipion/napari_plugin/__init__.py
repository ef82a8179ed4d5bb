# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of napari (npe2): reader and widget for scored tomograms."""
