# SPDX-License-Identifier: GPL-3.0-or-later
"""A physical simulator of cellular tomograms with known quality.

Data flow: random specimen -> projections -> detector images -> misaligned views -> reconstruction
-> post-processing -> tomogram planes. The ground truth is the correlation of these planes with the
noise-free specimen per band of spatial frequency.
"""
