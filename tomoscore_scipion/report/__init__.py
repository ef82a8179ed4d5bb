# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: records and thumbnails in, one HTML file out that opens from a disk.

It reads what the engine has written and never loads a model.
"""
