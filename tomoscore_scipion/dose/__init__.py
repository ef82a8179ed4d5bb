# SPDX-License-Identifier: GPL-3.0-or-later
"""Score of a tilt series against accumulated dose, and the optimal dose (`tomoscore dose`)."""
