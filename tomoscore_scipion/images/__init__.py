# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures: thumbnails and quality maps of tomograms, dose curves of tilt series."""
