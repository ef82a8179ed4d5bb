# SPDX-License-Identifier: GPL-3.0-or-later
"""SerialEM's and Tomo5's .mdoc: sections, their times and order of acquisition, their doses."""
