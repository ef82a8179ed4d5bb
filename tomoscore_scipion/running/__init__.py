# SPDX-License-Identifier: GPL-3.0-or-later
"""Running many items: worker processes, supervision, stopping, progress."""
