# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights and their card in one safetensors file, which is checked before use; no pickle.

The card is JSON in the file's header, so that weights and card stay together. It states the input
contract, the definition of the score, the training and evaluation of the model, and the hash of the
tensors.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoscore_scipion.records.atomic_write import atomic_path
from tomoscore_scipion.records.errors import StartError

if TYPE_CHECKING:
    from tomoscore_scipion.model.network import ResolvabilityNet

CARD_SCHEMA = 1
MAX_HEADER_BYTES = 1 << 20
FOLDER = Path(__file__).resolve().parents[1] / "weights"
WAY_OUT = (
    "use the weights that ship with TomoScore (leave the option out), or a file made by "
    "`tomoscore train`"
)

_NEEDED = ("schema", "name", "version", "licence", "input", "tensors_sha256", "interval")


def shipped_weights_path() -> Path:
    """Path of the weights in the package.

    Raises:
        StartError: the folder does not hold exactly one weights file.
    """
    files = sorted(FOLDER.glob("*.safetensors"))
    if len(files) != 1:
        raise StartError(
            f"{FOLDER}: expected one .safetensors file of shipped weights, found {len(files)}; "
            "install scipion-em-tomoscore again, or name weights yourself"
        )
    return files[0]


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def tensors_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the tensors of a safetensors file, without the header that holds the card."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(8 + length)
        return hashlib.sha256(file.read()).hexdigest()


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The card of a weights file, read without torch.

    Raises:
        StartError: the file cannot be read, is no safetensors file, or has no usable card.
    """
    name = os.fspath(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            header = file.read(length) if 0 < length <= MAX_HEADER_BYTES else b""
    except OSError as error:
        raise StartError(f"{name}: cannot read the weights: {error.strerror}; {WAY_OUT}") from error
    card = _card_of(header)
    if card is None:
        raise StartError(
            f"{name}: expected TomoScore weights (safetensors with a card in the header), found "
            f"another kind of file; other formats are never loaded; {WAY_OUT}"
        )
    _check_card(name, card)
    return card


def _card_of(header: bytes) -> dict[str, Any] | None:
    """The card in a safetensors header; None if the header has no card."""
    try:
        card = json.loads(json.loads(header)["__metadata__"]["card"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return card if isinstance(card, dict) else None


def _check_card(name: str, card: dict[str, Any]) -> None:
    if card.get("schema") != CARD_SCHEMA:
        raise StartError(
            f"{name}: expected a card of schema {CARD_SCHEMA}, found {card.get('schema')!r}: made "
            f"for another version of TomoScore; {WAY_OUT}"
        )
    missing = [key for key in _NEEDED if key not in card]
    if missing:
        raise StartError(f"{name}: the card lacks {', '.join(missing)}; {WAY_OUT}")


def load_weights(path: str | os.PathLike[str]) -> tuple[ResolvabilityNet, dict[str, Any]]:
    """The network with its weights, on the CPU and ready to predict, and the card.

    Raises:
        StartError: the card is not usable (see `read_card`), the tensors do not match the hash on
            the card, or the tensors do not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from tomoscore_scipion.model.network import ResolvabilityNet
    from tomoscore_scipion.model.sampling import INPUT_CONTRACT

    card = read_card(path)
    name = os.fspath(path)
    if tensors_sha256(path) != card["tensors_sha256"]:
        raise StartError(f"{name}: damaged: its tensors do not have the stated hash; {WAY_OUT}")
    if card["input"] != INPUT_CONTRACT:
        raise StartError(
            f"{name}: expected weights for the input {INPUT_CONTRACT}, found {card['input']}; "
            f"{WAY_OUT}"
        )
    network = ResolvabilityNet()
    try:
        network.load_state_dict(load_file(name), strict=True)
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise StartError(f"{name}: do not fit this network: {reason}; {WAY_OUT}") from error
    network.eval()
    return network, card


def save_weights(
    path: str | os.PathLike[str], network: ResolvabilityNet, card: dict[str, Any]
) -> dict[str, Any]:
    """Write weights and card to one file.

    Args:
        path: path of the weights file; an existing file is replaced.
        network: the network whose parameters are written.
        card: the card; its schema and hash are set here.

    Returns:
        The card as written to the file, with the hash of the tensors.
    """
    from safetensors.torch import save  # `save_file` lets only the owner read the file

    tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(save(tensors))
        card = {**card, "schema": CARD_SCHEMA, "tensors_sha256": tensors_sha256(temporary)}
        Path(temporary).write_bytes(save(tensors, metadata={"card": json.dumps(card)}))
    return card
