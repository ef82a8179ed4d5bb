# SPDX-License-Identifier: GPL-3.0-or-later
"""The score of a tomogram measured from its halves, and checks of the halves."""
