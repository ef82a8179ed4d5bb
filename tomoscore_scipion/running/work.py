# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of the work that a batch does with each item.

Batch, supervisor and worker depend only on this class. It has two subclasses: scoring of tomograms
and dose analysis of tilt series.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ClassVar,
    Generic,
    Mapping,
    Protocol,
    TypeVar,
    Union,
)

from tomoscore_scipion.reading.file_kind import FileKind
from tomoscore_scipion.records.dose_record import DoseRecord
from tomoscore_scipion.records.record import Score

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer

Progress = Callable[[int, int], None]


class Item(Protocol):
    """An item of a batch with an id, unique in the batch, and a file."""

    @property
    def ts_id(self) -> str:
        """Id of the item, by which results are joined."""

    @property
    def path(self) -> str:
        """Path of the file, as given by the user."""


ItemType = TypeVar("ItemType", bound=Item)
RecordType = TypeVar("RecordType", bound=Union[Score, DoseRecord])


@dataclass(frozen=True)
class Work(ABC, Generic[ItemType, RecordType]):
    """Base class of frozen dataclasses with settings that can be written as JSON.

    Attributes:
        kind: kind of the items' files, for messages.
        items: plural name of the items, for messages.
        min_timeout_s: time limit in seconds of an item with an empty file.
        timeout_s_per_byte: additional seconds for each byte of the file.
    """

    kind: ClassVar[FileKind]
    items: ClassVar[str]
    min_timeout_s: ClassVar[float]
    timeout_s_per_byte: ClassVar[float]

    @abstractmethod
    def item_of(self, request: dict[str, Any]) -> ItemType:
        """The item of a request, the inverse of `asdict`."""

    @abstractmethod
    def process(self, scorer: Scorer, item: ItemType, progress: Progress) -> RecordType:
        """Process an item.

        Args:
            scorer: the model on its device.
            item: a tomogram or a tilt series.
            progress: called with (finished slices, total slices).

        Returns:
            The record.

        Raises:
            TomogramError: this item cannot be processed.
        """

    @abstractmethod
    def failed(self, item: ItemType, error: str, **known: Any) -> RecordType:
        """The record of an item that failed.

        Args:
            item: a tomogram or a tilt series.
            error: the reason.
            known: other known fields: model, engine_version, device, seconds.
        """

    @abstractmethod
    def record_of(self, content: dict[str, Any]) -> RecordType:
        """The record of a dictionary from the record's `to_dict`."""

    def made_by(self, model: Mapping[str, str]) -> str:
        """Value of `Score.made_by` for records of this work: SHA-256 of the weights.

        Args:
            model: {"name", "version", "sha256"} of the weights.

        Raises:
            StartError: the work cannot be done with these weights.
        """
        return model["sha256"]

    def as_request(self) -> dict[str, Any]:
        """The work as JSON for another process; `work_from` is the inverse."""
        kind = type(self)
        return {"module": kind.__module__, "name": kind.__name__, "settings": asdict(self)}


def work_from(request: dict[str, Any]) -> Work[Any, Any]:
    """The work of a request from `Work.as_request`."""
    kind = getattr(import_module(request["module"]), request["name"])
    work: Work[Any, Any] = kind(**request["settings"])
    return work
