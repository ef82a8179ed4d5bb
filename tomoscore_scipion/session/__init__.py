# SPDX-License-Identifier: GPL-3.0-or-later
"""`tomoscore watch`: the tomograms of a running session, scored as their files become complete."""
