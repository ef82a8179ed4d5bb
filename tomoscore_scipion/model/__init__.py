# SPDX-License-Identifier: GPL-3.0-or-later
"""From a volume to its score: sampling, normalisation, statistics, network, aggregation."""
