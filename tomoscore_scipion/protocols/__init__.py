# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocols that Scipion finds here."""
