# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the progress lines."""

import io

import pytest
from scoring_fakes import CALIBRATION, HALVES, REFUSED_HALVES, make_score

from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.table import make_table
from tomoscore_scipion.records.terminal import printable, write_text
from tomoscore_scipion.running.progress import Bar, Log, Silent, choose, result_line

FAILED = Score.failed("TS_02", "b.mrc", "b.mrc: expected a file, found nothing")


def test_the_table_shows_each_tomogram_in_the_given_order():
    table = make_table([make_score("TS_10"), FAILED, make_score("TS_01", 0.0)])
    lines = table.splitlines()
    assert lines[0].split("  ")[0] == "tomogram"
    assert [line.split()[0] for line in lines[2:5]] == ["TS_10", "TS_02", "TS_01"]
    assert lines[2].split() == [
        "TS_10",
        "2.50",
        "2.25",
        "to",
        "2.75",
        "22.6",
        "nm",
        "-",
        "4",
        "to",
        "15",
        "-",
    ]
    assert lines[3].split() == ["TS_02", "failed", "-", "-", "-", "-", "-"]
    assert lines[4].split() == [
        "TS_01",
        "0.00",
        "0.00",
        "to",
        "0.25",
        "coarser",
        "than",
        "128",
        "nm",
        "-",
        "4",
        "to",
        "15",
        "-",
    ]


def test_the_table_states_that_scores_are_calibrated():
    assert "calibrated" not in make_table([make_score()])
    calibrated = make_score(calibration=CALIBRATION, tomoscore_uncalibrated=2.0)
    said = (
        "Scores are calibrated by calibration.json, sha256 cacacacacaca, learned of 10 tomograms."
    )
    assert said in make_table([calibrated, calibrated]).splitlines()


def test_records_with_halves_have_a_column_for_them():
    measured, refused = make_score("a", halves=HALVES), make_score("b", halves=REFUSED_HALVES)
    lines = make_table([measured, refused, make_score("c")]).splitlines()
    column = lines[0].index("by halves")
    assert [line[column : column + 24].rstrip() for line in lines[2:5]] == [
        "1.90 (1.40 to 2.20) of 3",
        "refused",
        "-",
    ]
    assert "  a: finer octaves are left out" in lines
    assert "by halves" not in make_table([make_score("c")]).lower()


def test_columns_are_aligned_for_ids_of_any_length():
    lines = make_table([make_score("a"), make_score("a long id with blanks", 5.0)]).splitlines()
    column = lines[0].index("90 % interval")
    assert lines[2][column:].startswith("2.25 to 2.75")
    assert lines[3][column:].startswith("4.75 to 5.00")


def test_the_table_explains_the_score_and_names_the_model():
    table = make_table([make_score("a"), make_score("b")])
    assert "higher is better" in table
    assert "0 (nothing) to 5 (everything down to 4 nm)" in table
    assert table.count("Model: fake 1, sha256 abababababab; engine 0.1.0.") == 1


def test_warnings_and_failures_are_printed_with_their_reasons():
    table = make_table([make_score("TS_01", warnings=("looks unflipped", "gold")), FAILED])
    assert table.splitlines()[2].endswith(" 2")
    assert "Warnings:\n  TS_01: looks unflipped\n  TS_01: gold\n" in table
    assert table.endswith("Failed:\n  TS_02: b.mrc: expected a file, found nothing\n")


def test_without_warnings_and_failures_their_headings_are_left_out():
    table = make_table([make_score()])
    assert "Warnings:" not in table
    assert "Failed:" not in table


def test_control_characters_from_files_are_escaped():
    hostile = Score.failed("TS_01", "a", "\x1b[2Jline\nbreak\u202e \udcff")
    for text in (make_table([hostile]), result_line(1, 1, hostile)):
        assert "\x1b" not in text
        assert "\\x1b[2Jline\\nbreak\\u202e \\udcff" in text
    assert printable("caf\u00e9 'x'") == "caf\u00e9 'x'"


def test_text_is_written_in_any_encoding():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write_text(stream, "caf\u00e9\n")
    assert stream.buffer.getvalue() == b"caf\\xe9\n"


def test_a_finished_tomogram_is_one_line():
    assert result_line(3, 12, make_score("TS_03", 2.41, seconds=2.06)) == (
        "[3/12] TS_03: TomoScore 2.41 (24.1 nm), 2.1 s"
    )
    assert result_line(4, 12, FAILED) == f"[4/12] TS_02: failed: {FAILED.error}"


def progress_of(kind, **more):
    stream = io.StringIO()
    progress = kind(3, stream=stream, **more)
    for record in (make_score("a"), FAILED):
        progress.start(record.ts_id)
        progress.slices(1, 4)
        progress.slices(4, 4)
        progress.finish(record)
    progress.start("c")
    progress.close()
    return stream.getvalue()


def test_a_log_has_plain_lines_only():
    text = progress_of(Log, done=1)
    assert [line.split(":")[0] for line in text.splitlines()] == ["[2/3] a", "[3/3] TS_02"]
    assert "\r" not in text


def test_a_terminal_gets_a_temporary_bar_and_the_same_lines():
    text = progress_of(Bar)
    assert "[1/3] a" in text.split("\r")[1]
    assert "TomoScore 2.50" in text
    assert text.split("\r")[-1].strip() == ""


@pytest.mark.parametrize(
    ("terminal", "quiet", "kind"),
    [(True, False, Bar), (False, False, Log), (True, True, Silent)],
)
def test_the_kind_of_progress_depends_on_terminal_and_quiet(monkeypatch, terminal, quiet, kind):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    assert type(choose(2, quiet=quiet)) is kind
