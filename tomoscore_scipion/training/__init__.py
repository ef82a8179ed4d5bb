# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the shipped model: samples from the simulator, shards, network, calibration, card."""
