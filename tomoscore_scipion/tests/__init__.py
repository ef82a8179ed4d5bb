# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that Scipion's users run: `scipion3 tests tomoscore_scipion.tests.test_protocols`."""
