# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a file: its content, refused input, and that it needs no other file."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import scoring_fakes
from report_records import NASTY, NASTY_ID, faulty_session, record_of, session

from tomoscore_scipion.commands.cli import main
from tomoscore_scipion.records.failures import cause_first
from tomoscore_scipion.records.record import Score
from tomoscore_scipion.records.record_files import json_line, latest_of_each
from tomoscore_scipion.records.thumbnail_files import chosen_slices, detail_name, thumbnail_name
from tomoscore_scipion.report.content import content_of, models_of
from tomoscore_scipion.report.pictures import pictures_of

ROOT = Path(scoring_fakes.__file__).resolve().parents[1]
JPEG, WEBP = b"\xff\xd8 not really a picture", b"RIFF\0\0\0\0WEBP neither"


class Page(HTMLParser):
    """Parser that collects the elements (name, attributes) and the JSON blocks by id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.json, self._open = [], {}, None
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name == "script":
            self._open = dict(attributes).get("id")

    def handle_endtag(self, name):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.json[self._open] = json.loads(data)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The current folder, with r.jsonl."""
    monkeypatch.chdir(tmp_path)
    Path("r.jsonl").write_text("".join(map(json_line, session())))
    return tmp_path


def report(*arguments):
    """Write r.html and return the parsed page."""
    assert main(["report", "r.jsonl", "--output", "r.html", *arguments]) == 0
    return Page(Path("r.html").read_text(encoding="utf-8"))


def test_the_page_holds_every_record(results, capsys):
    shown = report().json["content"]
    assert [t["id"] for t in shown["tomograms"]] == [r.ts_id for r in session()]
    assert [t["score"] for t in shown["tomograms"]] == [r.tomoscore for r in session()]
    assert shown["threshold"] == 1.5
    assert "r.html: 14 tomograms, 1 of them failed\n" in capsys.readouterr().err


def test_scores_from_halves_are_shown(results):
    with open("r.jsonl", "a") as file:
        file.write(json_line(scoring_fakes.make_score("H", halves=scoring_fakes.HALVES)))
        refused = scoring_fakes.make_score("R", halves=scoring_fakes.REFUSED_HALVES)
        file.write(json_line(refused))
    shown = {t["id"]: t.get("halves") for t in report().json["content"]["tomograms"]}
    assert shown["H"]["tomoscore"] == 1.9
    assert shown["H"]["octaves"] == 3
    assert shown["H"]["curve"] == [0.6, 0.5, 0.3, None, None, None]
    assert shown["R"]["error"] == "both halves are the file o.mrc"
    assert shown["R"]["curve"] is None
    assert shown[session()[0].ts_id] is None


def test_the_page_names_the_calibration(results):
    calibrated = {"calibration": scoring_fakes.CALIBRATION, "tomoscore_uncalibrated": 2.0}
    with open("r.jsonl", "a") as file:
        file.write(json_line(scoring_fakes.make_score("C", **calibrated)))
    report()
    said = "Scores are calibrated by calibration.json, sha256 cacacacacaca, learned of 10 tomograms"
    assert said + "." in Path("r.html").read_text(encoding="utf-8")


def test_user_text_never_becomes_markup(results):
    page = report("--title", NASTY_ID)
    shown = page.json["content"]
    assert shown["tomograms"][-1]["id"] == NASTY_ID
    assert shown["tomograms"][-1]["path"] == NASTY
    assert shown["tomograms"][-1]["warnings"] == [NASTY]
    assert shown["tomograms"][3]["error"] == f"cut off {NASTY}"
    scripts = [attributes for name, attributes in page.elements if name == "script"]
    assert scripts == [{"type": "application/json", "id": "content"}, {}]
    text = Path("r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "\u2028" not in text


def test_the_page_has_no_external_links(results):
    page = report()
    for name, attributes in page.elements:
        for key in ("src", "href", "srcset", "action"):
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:")), (name, value)
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv")]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_pictures_of_the_chosen_slices_are_embedded(results):
    os.mkdir("pictures")
    record = session()[0]
    chosen = chosen_slices(record)
    central = chosen.pop("central")
    (Path("pictures") / thumbnail_name(record.ts_id, central)).write_bytes(JPEG)
    for z in (*chosen.values(), 1):
        (Path("pictures") / detail_name(record.ts_id, z)).write_bytes(WEBP + b"%d" % z)
    page = report("--thumbnails", "pictures")
    found = page.json["pictures-0"]
    assert found.keys() == {"thumbnail", *map(str, chosen.values())}
    assert found["thumbnail"] == url_of("jpeg", JPEG)
    best = chosen["best"]
    assert found[str(best)] == url_of("webp", WEBP + b"%d" % best)
    assert "pictures-1" not in page.json


def test_a_report_may_embed_thumbnails_only(results):
    os.mkdir("pictures")
    record = session()[0]
    chosen = chosen_slices(record)
    (Path("pictures") / thumbnail_name(record.ts_id, chosen["central"])).write_bytes(JPEG)
    (Path("pictures") / detail_name(record.ts_id, chosen["best"])).write_bytes(WEBP)
    assert pictures_of(record, ["pictures"]).keys() == {"thumbnail", str(chosen["best"])}
    assert pictures_of(record, ["pictures"], with_details=False).keys() == {"thumbnail"}


def test_further_facts_of_a_tomogram_are_shown():
    facts = {"TS_1": [["thickness", "200 nm"]]}
    shown = content_of(session(2), title="t", created="now", facts=facts)["tomograms"]
    assert {t["id"]: t["facts"] for t in shown if t["facts"]} == facts


def url_of(kind, content):
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def test_captions_give_the_averaged_slices():
    shown = content_of([record_of([0.5] * 6, voxel=13.0)], title="t", created="now")
    assert shown["tomograms"][0]["shown"] == "the mean of 7 slices, 9.1 nm in z"
    shown = content_of([record_of([0.5] * 6, voxel=54.0)], title="t", created="now")
    assert shown["tomograms"][0]["shown"] == "one slice, 5.4 nm"


def test_the_content_has_the_verdict_on_borderline_tomograms():
    records = session(2)
    given = [
        content_of(records, title="t", created="now", borderline=b) for b in ("score", "rejected")
    ]
    assert [content["borderline"] for content in given] == ["score", "rejected"]


def test_the_content_has_only_the_faults_that_reject(results):
    Path("r.jsonl").write_text("".join(map(json_line, faulty_session())))
    words = ["--reject", "out of the model's depth", "--reject", "too thin", "--at-most", "2"]
    shown = report(*words).json["content"]
    faults = {t["id"]: t["faults"] for t in shown["tomograms"]}
    assert faults == {**dict.fromkeys("abcdef", []), "a": ["too thin"], "b": ["too thin"]}
    assert (shown["rejecting"], shown["at_most"]) == (["out of the model's depth", "too thin"], 2)
    shown = report().json["content"]
    assert not any(t["faults"] for t in shown["tomograms"]) and shown["at_most"] == 0


def test_a_failure_begins_with_its_cause_and_ends_with_the_file():
    path = "/data/a b.mrc"
    failed = Score.failed("TS", path, f"{path}: expected a file, found nothing")
    (shown,) = content_of([failed], title="t", created="now")["tomograms"]
    assert shown["error"] == "expected a file, found nothing (file /data/a b.mrc)"
    assert cause_first("the disk is full", path) == "the disk is full"
    assert cause_first("x", None) == "x"


DECLINE = [f"TS_{number}" for number in range(6)]


def ordered(lines):
    """Ids and acquisition order of a session that was scored by two workers in turn."""
    Path("order.csv").write_text("ts_id,acquired\n" + "".join(f"{line}\n" for line in lines))
    records = [record_of([0.55 - 0.05 * DECLINE.index(k)] * 6, k) for k in DECLINE]
    for worker in (0, 1):
        os.makedirs(f"batches/{worker + 1}", exist_ok=True)
        results = "".join(map(json_line, records[worker::2]))
        Path(f"batches/{worker + 1}/results.jsonl").write_text(results)
    command = ["report", "batches", "--output", "o.html", "--order", "order.csv"]
    assert main(command) == 0
    shown = Page(Path("o.html").read_text(encoding="utf-8")).json["content"]
    return [t["id"] for t in shown["tomograms"]], shown["order"], shown["tomograms"]


def test_records_of_two_workers_are_shown_in_the_order_of_the_input(results):
    ids, order, tomograms = ordered([f"{key}," for key in DECLINE])
    assert (ids, order) == (DECLINE, "of the input")
    scores = [t["score"] for t in tomograms]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == len(scores)


def test_tomograms_are_sorted_by_acquisition_time_if_all_times_are_known(results):
    lines = [f"{key},2024-05-17T{20 - n}:30:00" for n, key in enumerate(DECLINE)]
    ids, order, tomograms = ordered(lines)
    assert (ids, order) == (DECLINE[::-1], "of acquisition")
    assert tomograms[0]["acquired"] == "2024-05-17 15:30:00"
    ids, order, _ = ordered([*lines[:-1], "TS_5,"])
    assert (ids, order) == (DECLINE, "of the input")
    ids, _, _ = ordered(["TS_3,", "TS_1,"])
    assert ids == ["TS_3", "TS_1", "TS_0", "TS_2", "TS_4", "TS_5"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "line 1: expected ts_id,acquired, found nothing"),
        ("id\n", "line 1: expected ts_id,acquired, found id"),
        ("ts_id,acquired\na,noon\n", "line 2: expected an id and a time such as"),
        ("ts_id,acquired\na\n", "line 2: expected an id and a time such as"),
    ],
)
def test_an_invalid_order_file_is_refused(results, capsys, content, says):
    Path("order.csv").write_text(content)
    assert main(["report", "r.jsonl", "--output", "r.html", "--order", "order.csv"]) == 1
    assert says in capsys.readouterr().err


def test_the_picture_of_a_quality_map_is_embedded(results):
    from PIL import Image

    os.mkdir("maps")
    Image.new("RGB", (900, 640), "teal").save("maps/TS_1-quality.png")
    pictures = report("--maps", "maps").json["pictures-0"]
    found = pictures["map"]
    content = base64.b64decode(found.partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "WEBP" and image.size == (900, 640)
    assert "pictures-1" not in report("--maps", "maps").json


def test_a_broken_picture_of_a_map_is_refused_by_name(results, capsys):
    os.mkdir("maps")
    Path("maps/TS_1-quality.png").write_text("no picture")
    assert main(["report", "r.jsonl", "--output", "r.html", "--maps", "maps"]) == 1
    assert "cannot read the picture of a map maps/TS_1-quality.png" in capsys.readouterr().err


def test_the_last_record_of_an_id_replaces_the_first(results, capsys):
    again = record_of([0.9] * 6, "TS_2")
    Path("more.jsonl").write_text(json_line(again))
    shown = report("more.jsonl").json["content"]["tomograms"]
    assert (len(shown), shown[1]["id"], shown[1]["score"]) == (14, "TS_2", again.tomoscore)
    assert "1 earlier records of the same ids left out" in capsys.readouterr().err
    assert latest_of_each([]) == []


def test_a_folder_gives_the_records_below_it_in_order(results):
    for name in ("10", "9"):
        os.makedirs(f"batches/{name}")
        Path(f"batches/{name}/results.jsonl").write_text(json_line(record_of([0.5] * 6, name)))
    Path("batches/9/job.json").write_text("not a record")
    assert main(["report", "batches", "--output", "r.html"]) == 0
    page = Page(Path("r.html").read_text(encoding="utf-8"))
    assert [t["id"] for t in page.json["content"]["tomograms"]] == ["9", "10"]


def test_models_are_counted_and_several_models_give_a_note(results):
    other = {**scoring_fakes.MODEL, "version": "2"}
    records = [*session(), record_of([0.5] * 6, "TS_new", model=other)]
    assert [model["count"] for model in models_of(records)] == [13, 1]
    Path("r.jsonl").write_text("".join(map(json_line, records)))
    notes = [a for _, a in report().elements if a.get("role") == "note"]
    assert len(notes) == 1
    Path("r.jsonl").write_text("".join(map(json_line, session())))
    assert not [a for _, a in report().elements if a.get("role") == "note"]


def test_no_records_make_an_empty_report(results):
    Path("r.jsonl").write_text("")
    assert report().json["content"]["tomograms"] == []


def test_content_is_plain_json():
    content = content_of(session(), title="t", created="now", threshold=1.0)
    assert json.loads(json.dumps(content, allow_nan=False)) == content


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["none.jsonl", "--output", "r.html"], 1, "cannot read none.jsonl"),
        ([".", "--output", "./r.jsonl"], 1, "r.jsonl would be replaced, and is an input"),
        (["empty", "--output", "r.html"], 1, "empty: expected records in it, found no file"),
        (["notes.txt", "--output", "r.html"], 1, "notes.txt, line 1: expected a TomoScore record"),
        (["r.jsonl", "--output", "r.jsonl"], 1, "r.jsonl would be replaced, and is an input"),
        (["r.jsonl", "--output", "none/r.html"], 1, "none does not exist: make it first"),
        (["r.jsonl", "--output", "r.html", "--thumbnails", "t"], 1, "t: expected a folder of"),
        (["r.jsonl", "--output", "r.html", "--maps", "t"], 1, "t: expected a folder of maps"),
        (["r.jsonl", "--output", "r.html", "--threshold", "6"], 2, "expected octaves from 0 to 5"),
        (["r.jsonl", "--output", "r.html", "--threshold", "x"], 2, "expected octaves"),
        (["r.jsonl", "--output", "r.html", "--reject", "ugly"], 2, "invalid choice: 'ugly'"),
        (["r.jsonl", "--output", "r.html", "--at-most", "0"], 2, "expected a number of tomograms"),
        (["r.jsonl"], 2, "--output"),
        (["--output", "r.html"], 2, "RESULTS.jsonl"),
    ],
)
def test_an_error_is_printed_and_changes_no_file(results, capsys, arguments, status, says):
    Path("notes.txt").write_text("hello\n")
    os.mkdir("empty")
    Path("r.html").write_text("old")
    before = Path("r.jsonl").read_bytes()
    assert main(["report", *arguments]) == status
    assert re.search(re.escape(says), capsys.readouterr().err)
    assert Path("r.html").read_text() == "old"
    assert Path("r.jsonl").read_bytes() == before


def test_a_file_that_is_no_picture_is_refused_by_name(results, capsys):
    os.mkdir("pictures")
    record = session()[0]
    name = detail_name(record.ts_id, chosen_slices(record)["best"])
    (Path("pictures") / name).write_bytes(b"GIF89a")
    command = ["report", "r.jsonl", "--output", "r.html", "--thumbnails", "pictures"]
    assert main(command) == 1
    assert f"pictures/{name}: expected a JPEG or WebP of at most" in capsys.readouterr().err
    assert not Path("r.html").exists()


def test_a_report_loads_no_torch_and_help_no_jinja(results):
    program = (
        "import sys\n"
        "from tomoscore_scipion.commands.cli import main\n"
        "main(['--help']), main(['report', '--help']), main(['score', '--help'])\n"
        "early = {'torch', 'jinja2', 'PIL'} & set(sys.modules)\n"
        "main(['report', 'r.jsonl', '--output', 'r.html'])\n"
        "print(sorted(early), sorted({'torch', 'PIL', 'scipy', 'pwem'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True
    )
    assert ended.stdout.decode().splitlines()[-1] == "[] []"
