# SPDX-License-Identifier: GPL-3.0-or-later
"""Dose and quality: how many electrons of a tilt series are worth it (`tomoscore dose`)."""
