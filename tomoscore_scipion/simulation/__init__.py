# SPDX-License-Identifier: GPL-3.0-or-later
"""A physical simulator of cellular tomograms whose quality is known.

Data flow: random specimen -> projections -> detector images -> misaligned views -> reconstruction
-> post-processing -> tomogram planes, and beside it the truth: the correlation, per band of
spatial frequency, of these planes with the noise-free specimen.
"""
