# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files are used unchanged or refused; messages name the file and a solution."""

import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys

import pytest
import torch
from faulty_worlds import TOMOSCORE, run, unprivileged
from small_model import CARD, random_network
from torch import nn

from tomoscore_scipion.model import weights as module
from tomoscore_scipion.model.weights import (
    load_weights,
    read_card,
    save_weights,
    sha256_of,
    shipped_weights_path,
    tensors_sha256,
)
from tomoscore_scipion.records.errors import StartError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some weights.safetensors"


@pytest.fixture
def sound(path):
    save_weights(path, random_network(), CARD)
    return path


def write(path, card, tensors=b"", **header):
    """Write a safetensors file with any card."""
    metadata = {"card": card if isinstance(card, str) else json.dumps(card)}
    raw = json.dumps({"__metadata__": metadata, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + tensors)


def refused(path, *expected, load=load_weights):
    with pytest.raises(StartError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "leave the option out" in message
    for text in expected:
        assert text in message


def test_saved_weights_are_loaded_unchanged(sound):
    network, card = load_weights(sound)
    saved = random_network().state_dict()
    assert saved.keys() == network.state_dict().keys()
    assert all(torch.equal(saved[name], value) for name, value in network.state_dict().items())
    assert not network.training
    assert card == read_card(sound)
    assert {key: card[key] for key in CARD} == CARD


def test_saving_returns_the_card_of_the_file_and_leaves_no_other_file(path):
    card = save_weights(path, random_network(), CARD)
    assert read_card(path) == card
    assert card["tensors_sha256"] == tensors_sha256(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o007, 0o660)])
def test_others_may_read_the_file_as_far_as_the_umask_permits(path, mask, mode):
    before = os.umask(mask)
    try:
        save_weights(path, random_network(), CARD)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_saving_replaces_an_existing_file(sound):
    save_weights(sound, random_network(seed=1), {**CARD, "version": "2"})
    assert read_card(sound)["version"] == "2"
    assert torch.equal(
        load_weights(sound)[0].state_dict()["head.0.weight"],
        random_network(seed=1).state_dict()["head.0.weight"],
    )


def test_the_hash_of_the_tensors_does_not_depend_on_the_card(sound, tmp_path):
    other = tmp_path / "other.safetensors"
    save_weights(other, random_network(), {**CARD, "version": "a longer version"})
    assert tensors_sha256(other) == tensors_sha256(sound)
    assert sha256_of(other) != sha256_of(sound)


def test_hash_of_a_file_is_that_of_sha256sum(path):
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_one_changed_bit_in_the_tensors_is_refused(sound):
    raw = bytearray(sound.read_bytes())
    raw[-1000] ^= 1
    sound.write_bytes(raw)
    refused(sound, "damaged")


@pytest.mark.parametrize("missing", [1, 100_000])
def test_a_file_truncated_in_its_tensors_is_refused(sound, missing):
    sound.write_bytes(sound.read_bytes()[:-missing])
    refused(sound, "damaged")


@pytest.mark.parametrize("left", [0, 1, 7, 8, 9, 500])
def test_a_file_truncated_in_its_header_is_refused(sound, left):
    sound.write_bytes(sound.read_bytes()[:left])
    refused(sound, "expected TomoScore weights", "found another kind of file")


def test_bytes_after_the_tensors_are_refused(sound):
    with open(sound, "ab") as file:
        file.write(b"more")
    refused(sound, "damaged")


@pytest.mark.parametrize(
    "content",
    [
        b"MRC " * 500,
        b"\xff" * 4000,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"\xff\xfe\x00\x01",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
    ids=["mrc", "ones", "endless", "no card", "a list", "no text", "deep"],
)
def test_other_kinds_of_files_are_refused(path, content):
    path.write_bytes(content)
    refused(path, "found another kind of file", load=read_card)


@pytest.mark.parametrize("card", ["no JSON", "[1]", "1", "null"])
def test_an_invalid_card_is_refused(path, card):
    write(path, card)
    refused(path, "found another kind of file", load=read_card)


def test_weights_of_another_program_are_refused(path):
    from safetensors.torch import save_file

    save_file(random_network().state_dict(), path, metadata={"format": "pt"})
    refused(path, "found another kind of file")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def pickle_to(bomb, path):
    path.write_bytes(pickle.dumps(bomb))


@pytest.mark.parametrize("write_bomb", [torch.save, pickle_to])
def test_pickles_are_refused_and_never_run(path, tmp_path, write_bomb):
    created = tmp_path / "created"
    write_bomb(Bomb(str(created)), path)
    assert not created.exists()
    refused(path, "other formats are never loaded")
    assert not created.exists()


def test_weights_for_another_input_are_refused(path):
    save_weights(path, random_network(), {**CARD, "input": "canonical slices v0: 3 nm"})
    refused(path, "canonical slices v0: 3 nm", CARD["input"])


@pytest.mark.parametrize("schema", [2, 0, None, "1"])
def test_a_card_of_another_schema_is_refused(path, schema):
    write(path, {**CARD, "schema": schema, "tensors_sha256": ""})
    refused(path, "expected a card of schema 1", f"found {schema!r}", load=read_card)


@pytest.mark.parametrize(
    "key", ["name", "version", "licence", "input", "interval", "tensors_sha256"]
)
def test_a_card_without_a_required_key_is_refused(path, key):
    card = {**CARD, "tensors_sha256": ""}
    del card[key]
    write(path, card)
    refused(path, f"lacks {key}", load=read_card)


def test_tensors_of_another_network_are_refused(path):
    other = nn.Linear(2, 2)
    save_weights(path, other, CARD)
    refused(path, "do not fit this network")


def test_tensors_that_safetensors_cannot_read_are_refused(path):
    card = {**CARD, "tensors_sha256": hashlib.sha256(b"").hexdigest()}
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    write(path, card, **{"head.0.bias": entry})
    refused(path, "do not fit this network")


def test_missing_weights_are_refused(path):
    refused(path, "cannot read the weights: No such file")


def test_a_folder_is_refused(path):
    path.mkdir()
    refused(path, "cannot read the weights: Is a directory")


def test_weights_without_read_permission_are_refused(sound):
    sound.chmod(0)
    command = [*TOMOSCORE, "score", sound, "--weights", sound]
    started = run(unprivileged(command), cwd=sound.parent)
    assert started.returncode == 1
    assert f"{sound}: cannot read the weights: Permission denied" in started.stderr


def test_the_card_is_read_without_torch(sound):
    code = (
        "import sys; from tomoscore_scipion.model.weights import read_card, sha256_of; "
        "print(read_card(sys.argv[1])['name'], len(sha256_of(sys.argv[1])), "
        "{'torch', 'safetensors'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", code, sound], stdout=subprocess.PIPE, check=True)
    assert seen.stdout.decode().split() == ["random", "64", "set()"]


def test_paths_can_be_strings(sound):
    assert load_weights(str(sound))[1]["name"] == "random"


@pytest.mark.parametrize("names", [[], ["a.safetensors", "b.safetensors"]])
def test_shipped_weights_must_be_one_file(monkeypatch, tmp_path, names):
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(
        StartError, match=f"{tmp_path}: expected one .* found {len(names)}; install"
    ):
        shipped_weights_path()


def test_shipped_weights_are_found(monkeypatch, tmp_path):
    (tmp_path / "tomoscore-1.0.0.safetensors").touch()
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    assert shipped_weights_path() == tmp_path / "tomoscore-1.0.0.safetensors"


def test_unknown_parameters_are_refused(sound, monkeypatch):
    network = load_weights(sound)[0]
    more = {**network.state_dict(), "encoder.4.weight": torch.zeros(1)}
    monkeypatch.setattr(network, "state_dict", lambda: more)
    save_weights(sound, network, CARD)
    refused(sound, "do not fit this network")
