# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: one HTML file made of records, thumbnails and quality maps.

Reads results of the engine and never loads a model. The file needs no network.
"""
