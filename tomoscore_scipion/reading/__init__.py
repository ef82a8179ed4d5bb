# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict readers of volumes and text files. Files with impossible content are refused."""
