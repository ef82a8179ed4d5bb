# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of each command; importing them loads nothing heavy."""
