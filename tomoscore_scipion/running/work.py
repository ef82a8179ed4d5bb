# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch does with each of its items.

The batch, and the process that does the work, know this and no more: scoring a tomogram and
analysing the doses of a tilt series are two works.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Generic, Protocol, TypeVar

from tomoscore_scipion.reading.file_kind import FileKind

if TYPE_CHECKING:
    from tomoscore_scipion.model.scorer import Scorer

Progress = Callable[[int, int], None]


class Item(Protocol):
    """What is worked on: it has an id, unique in its batch, and a file."""

    @property
    def ts_id(self) -> str:
        """Its id, by which results are joined."""

    @property
    def path(self) -> str:
        """Its file, as the user named it."""


class Record(Protocol):
    """What is found of an item, or why nothing is."""

    @property
    def ts_id(self) -> str:
        """The item's id."""

    @property
    def status(self) -> str:
        """Whether it is "ok" or "failed"."""

    @property
    def error(self) -> str | None:
        """Why it failed."""

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON knows it."""


AnyItem = TypeVar("AnyItem", bound=Item)
AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True)
class Work(ABC, Generic[AnyItem, AnyRecord]):
    """A work: a frozen dataclass, whose fields say how it is done and can be written as JSON.

    Attributes:
        kind: of the items' files, for messages.
        items: what the items are called, for messages.
        least_s: seconds that an item may take ...
        seconds_per_byte: ... and so much longer for each byte of its file.
    """

    kind: ClassVar[FileKind]
    items: ClassVar[str]
    least_s: ClassVar[float]
    seconds_per_byte: ClassVar[float]

    @abstractmethod
    def item_of(self, request: dict[str, Any]) -> AnyItem:
        """The item of which `asdict` made a request that went through JSON."""

    @abstractmethod
    def do(self, scorer: Scorer, item: AnyItem, progress: Progress) -> AnyRecord:
        """Work on an item.

        Args:
            scorer: the model on its device.
            item: what to work on.
            progress: called with (slices done, slices in all).

        Raises:
            TomogramError: something is wrong with the item, and with nothing else.
        """

    @abstractmethod
    def failed(self, item: AnyItem, error: str, **known: Any) -> AnyRecord:
        """The record of an item that failed.

        Args:
            item: it.
            error: why.
            known: model, engine_version, device, seconds.
        """

    @abstractmethod
    def record_of(self, content: dict[str, Any]) -> AnyRecord:
        """The record that its `to_dict` gave."""

    def told(self) -> dict[str, Any]:
        """The work for another process, as JSON knows it; `work_of` makes it again."""
        return {"module": type(self).__module__, "name": type(self).__name__, "how": asdict(self)}


def work_of(told: dict[str, Any]) -> Work[Any, Any]:
    """The work that `Work.told` gave."""
    kind = getattr(import_module(told["module"]), told["name"])
    work: Work[Any, Any] = kind(**told["how"])
    return work
