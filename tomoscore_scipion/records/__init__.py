# SPDX-License-Identifier: GPL-3.0-or-later
"""Records, jobs, results files and verdicts: written by the engine, read by all. Needs no torch."""
