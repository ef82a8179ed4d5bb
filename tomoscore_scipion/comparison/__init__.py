# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several ways to make tomograms of the same tilt series scores higher, and by how much.

Needs numpy only, drawing also matplotlib; knows no model and nothing of Scipion.
"""
