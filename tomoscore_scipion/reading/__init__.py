# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict readers of volumes and text files, which refuse what cannot be right."""
