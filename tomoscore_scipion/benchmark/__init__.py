# SPDX-License-Identifier: GPL-3.0-or-later
"""What the score is worth: tomograms whose truth is known, and what must hold for any of them."""
