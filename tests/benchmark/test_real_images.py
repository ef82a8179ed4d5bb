# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of scores with a reader's estimates."""

import json

import mrcfile
import numpy as np
import pytest


@pytest.fixture(scope="module")
def real_images(script):
    return script("real_images")


def image(module, name, estimate, score, kind="raw"):
    return module.Image(name, kind, estimate, score, (score - 0.4, score + 0.6), 400.0)


def test_bias_and_error_are_those_of_the_group(real_images):
    images = [
        image(real_images, "a", 2.0, 2.5),
        image(real_images, "b", 3.0, 3.1),
        image(real_images, "c", 4.0, 3.0, "denoised"),
        image(real_images, "without", None, 0.0),
    ]
    lines = real_images.report(images).splitlines()
    assert lines[0] == "3 images with an estimate"
    values = {line.split()[0]: line.split()[1:] for line in lines[3:6]}
    assert values["raw"] == ["2", "-", "+0.30", "0.30", "0.50"]
    assert values["denoised"][2:4] == ["-1.00", "1.00"]
    assert values["all"][:2] == ["3", "0.50"]


def test_an_interval_is_widened_by_half_an_octave(real_images):
    images = [image(real_images, str(e), e, 2.0) for e in (1.0, 1.2, 1.7, 2.5, 3.0, 3.2)]
    assert real_images.share_inside(images, 0.0) == pytest.approx(2 / 6)
    assert real_images.share_inside(images, 0.5) == pytest.approx(4 / 6)


def test_pairs_out_of_order_are_named(real_images):
    images = [image(real_images, name, None, s) for name, s in (("a", 1.0), ("b", 2.0))]
    text = real_images.order_report(images, [("a", "b"), ("b", "a"), ("a", "a")])
    assert text == "1 of 3 pairs in order; not in order: b:a a:a"


@pytest.mark.parametrize("pair", ["a:c", "c:a", "a", "a:", "a-b"])
def test_a_pair_that_is_not_in_the_table_is_named_before_anything_is_scored(
    real_images, tmp_path, capsys, pair
):
    table = tmp_path / "table.csv"
    table.write_text("name,kind,reader_estimate\na,raw,1\nb,raw,2\n")
    with pytest.raises(SystemExit) as stopped:
        real_images.main([str(tmp_path), str(table), "--pairs", "a:b", pair])
    assert stopped.value.code == 2
    assert f"found '{pair}'" in capsys.readouterr().err


def test_a_missing_column_is_named(real_images, tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("name,reader_estimate\na,1\n")
    with pytest.raises(SystemExit):
        real_images.main([str(tmp_path), str(table)])
    assert "table.csv: expected the columns name, kind, reader_estimate; it lacks kind" in (
        capsys.readouterr().err
    )


def test_a_missing_image_is_named(real_images, tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("name,kind,reader_estimate\nabsent,raw,1\n")
    assert real_images.main([str(tmp_path), str(table), "--device", "cpu"]) == 1
    assert "absent.mrc" in capsys.readouterr().err


def test_the_command_scores_the_files_of_the_table(real_images, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        with mrcfile.new(tmp_path / f"{name}.mrc") as file:
            file.set_data(rng.normal(size=(1, 96, 96)).astype(np.float32))
            file.voxel_size = 20.0
    table = tmp_path / "table.csv"
    table.write_text("name,kind,reader_estimate\none,raw/deconv,0.5\ntwo,raw volume,\n")
    out = tmp_path / "out.json"
    command = [str(tmp_path), str(table), "--device", "cpu", "--changes", "--json", str(out)]
    assert real_images.main(command) == 0
    first, second = json.loads(out.read_text())
    assert (first["name"], first["kind"], first["estimate"]) == ("one", "raw", 0.5)
    assert second["estimate"] is None
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("contrast sign"))
    assert row.split()[2:] == ["0.00", "0.00", "0", "0.00"]
    assert "largest of 2 fields >= 192 nm" in printed
