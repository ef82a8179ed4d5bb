# SPDX-License-Identifier: GPL-3.0-or-later
"""The curve of a tomogram measured from its halves, and why halves are refused.

Stands on the steps of the engine that come before its batches.
"""
