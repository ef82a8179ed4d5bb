# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether predicted scores of a session agree with those that halves measure.

Needs numpy only, drawing also matplotlib; knows no model and nothing of Scipion.
"""
