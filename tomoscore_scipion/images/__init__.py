# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of tomograms: thumbnails, quality maps."""
