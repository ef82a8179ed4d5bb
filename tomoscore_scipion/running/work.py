# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of the works that a batch can do with each of its items.

Batch, supervisor and worker know no more than this class. There are two works: scoring tomograms,
and analysing the doses of tilt series.
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
    """An item of a batch: it has an id, unique in the batch, and a file."""

    @property
    def ts_id(self) -> str:
        """Its id, by which results are joined."""

    @property
    def path(self) -> str:
        """Its file, as the user named it."""


ItemType = TypeVar("ItemType", bound=Item)
RecordType = TypeVar("RecordType", bound=Union[Score, DoseRecord])


@dataclass(frozen=True)
class Work(ABC, Generic[ItemType, RecordType]):
    """A frozen dataclass; its fields are settings that can be written as JSON.

    Attributes:
        kind: kind of the items' files, for messages.
        items: plural name of the items, for messages.
        min_timeout_s: seconds that an item with an empty file may take.
        timeout_s_per_byte: additional seconds for each byte of the file.
    """

    kind: ClassVar[FileKind]
    items: ClassVar[str]
    min_timeout_s: ClassVar[float]
    timeout_s_per_byte: ClassVar[float]

    @abstractmethod
    def item_of(self, request: dict[str, Any]) -> ItemType:
        """The item of a request, which is the item's `asdict` after JSON."""

    @abstractmethod
    def process(self, scorer: Scorer, item: ItemType, progress: Progress) -> RecordType:
        """Process an item.

        Args:
            scorer: the model on its device.
            item: a tomogram or a tilt series.
            progress: called with (slices done, slices in all).

        Returns:
            The record.

        Raises:
            TomogramError: the item cannot be processed; others can.
        """

    @abstractmethod
    def failed(self, item: ItemType, error: str, **known: Any) -> RecordType:
        """The record of an item that failed.

        Args:
            item: a tomogram or a tilt series.
            error: the reason.
            known: model, engine_version, device, seconds.
        """

    @abstractmethod
    def record_of(self, content: dict[str, Any]) -> RecordType:
        """The record of a dictionary that its `to_dict` gave."""

    def made_by(self, model: Mapping[str, str]) -> str:
        """What records are made by, see `Score.made_by`: SHA-256 of the weights.

        Args:
            model: {"name", "version", "sha256"} of the weights.

        Raises:
            StartError: the work cannot be done with these weights.
        """
        return model["sha256"]

    def as_request(self) -> dict[str, Any]:
        """The work as JSON for another process; `work_from` makes it again."""
        kind = type(self)
        return {"module": kind.__module__, "name": kind.__name__, "settings": asdict(self)}


def work_from(request: dict[str, Any]) -> Work[Any, Any]:
    """The work that `Work.as_request` described."""
    kind = getattr(import_module(request["module"]), request["name"])
    work: Work[Any, Any] = kind(**request["settings"])
    return work
