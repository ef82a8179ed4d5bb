# SPDX-License-Identifier: GPL-3.0-or-later
"""The threshold of somebody who has marked good and bad tomograms. Needs numpy only."""
