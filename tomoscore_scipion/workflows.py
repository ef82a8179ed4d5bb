# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow templates, which check their parameters before a project is made."""

from pyworkflow.template import LocalTemplate

from tomoscore_scipion.records.verdict import MAX_SCORE


class TemplateError(Exception):
    """A parameter is not valid; the message has the reason and the valid ones."""


class CheckedTemplate(LocalTemplate):
    """A template that refuses parameters that it does not have, and values out of range.

    Scipion's own only warns of a wrong name, and then opens a window to ask for what is missing.
    """

    def setParamValue(self, alias, newValue):  # noqa: N802, N803
        """Set a parameter.

        Raises:
            TemplateError: there is no such parameter, or the value is out of range.
        """
        names = [param.getAlias() for param in self.getParams().values()]
        if alias not in names:
            raise TemplateError(
                f"Unknown parameter {alias}: this template has project_name, {', '.join(names)}."
            )
        problem = _problem(alias, newValue)
        if problem:
            raise TemplateError(f"{alias}: {problem}, found {newValue}.")
        return super().setParamValue(alias, newValue)


def _problem(alias, text):
    """The problem of a number; None where it is valid, or no number (Scipion reports that)."""
    try:
        value = float(text)
    except ValueError:
        return None
    if alias.endswith("threshold") and not 0.0 <= value <= MAX_SCORE:
        return f"expected 0 to {MAX_SCORE:g} octaves"
    if alias == "voxel_size" and not 0.0 < value < float("inf"):
        return "expected more than 0 A"
    return None
