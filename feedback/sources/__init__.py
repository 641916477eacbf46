"""Feedback sources, one file each: `use: hh_rlhf` loads `feedback/sources/hh_rlhf.py`."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from core.errors import BadFeedback
from core.files import digest
from core.plugins import Plugin
from feedback import packaging, remote_files
from feedback.limits import UNLIMITED, SizeLimitSettings
from feedback.probes import Probes
from feedback.schema import FeedbackEvent, Message, Prompt, RejectedRecord, Response
from feedback.trust import Trust


class AnswerPair(NamedTuple):
    """Two answers to one prompt, to be judged. They are in the order shown: the first is on the left."""

    pair_id: str
    prompt: tuple[Message, ...]
    responses: tuple[Response, Response]


class Intake(NamedTuple):
    """What a source is given: the round that reads it, a seed, and the pairs to be judged."""

    round: int
    seed: int
    pairs: Sequence[AnswerPair] = ()
    """Answers to be judged. Only sources with `labels = True` use them."""
    votes: Sequence[FeedbackEvent] = ()
    """Votes on these pairs that people have pushed."""
    limits: SizeLimitSettings = SizeLimitSettings()
    """How large files, records and texts may be."""


class TraceContent(NamedTuple):
    """What went into a traced call, and what came out."""

    inputs: Any
    outputs: Any


class Traces(Protocol):
    """The traces of calls of an application, with what people and judges said of them."""

    def assessed(self, experiments: Sequence[str], condition: str) -> Iterator[Mapping[str, Any]]:
        """The traces with assessments, oldest first: `{trace_id, assessments: […]}`.

        Raises:
            BadFeedback: an experiment does not exist, or the server does not answer.
        """

    def content(self, trace_id: str, span_id: str | None) -> TraceContent | None:
        """Inputs and outputs of a trace, or of one of its spans; None if there is no such trace."""


OpenTraces = Callable[[str | None], Traces]
"""Opens the traces at an address; None for those of the workspace."""


ConsentedPrompts = Callable[[Collection[str]], list[Prompt]]
"""The prompts that people asked the server with one of these consents, and that may be used now."""


class Source(Plugin):
    """A source of feedback."""

    labels: ClassVar[bool] = False
    """True if the source judges `Intake.pairs`, as the simulated annotator does: answers are then collected for it."""

    by_people: ClassVar[bool] = False
    """True if people judge these pairs, in their own time: without them, a round collects answers and nothing else."""

    simulated: ClassVar[bool] = False
    """True if its judgements are not those of people or of a service that people rely on."""

    votes_of: ClassVar[str] = "simulated annotator"
    """Who judges, if `simulated` is true: pages name it."""

    editable: ClassVar[bool] = False
    """True if records keep their id when they are edited: a changed record then corrects the event that is stored."""

    @property
    def level(self) -> Trust:
        """Which fields its records may state."""
        return Trust.OPERATOR

    @abstractmethod
    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All records for the round, in order; one that cannot be used is a `RejectedRecord` in its position."""

    def check(self) -> None:
        """Check that the source can be read: by default, that its files are of a kind that is read.

        Called before a round is opened.

        Raises:
            BadFeedback: a file or folder that it reads does not exist, or is of another kind.
        """
        for file in self.files():
            packaging.detect(file, UNLIMITED)  # `read` knows the limits

    def files(self) -> list[Path]:
        """The files that it reads, in which a record is found by its hash; none by default."""
        return []

    def _files_in(self, path: Path) -> list[Path]:
        """A file, or all files of records below a folder, sorted by name; of an object store, copies of them.

        Raises:
            BadFeedback: there is none; names the source.
        """
        path = remote_files.local(path)
        files = packaging.files_in(path) if path.is_dir() else [path]
        if not files or not path.exists():
            raise BadFeedback(f"{path}: no file of records; set `path` of the source {self.name()} to one that exists")
        return files

    def fingerprint(self) -> str:
        """A string that changes when there is something new to read: by default, the digests of its files.

        Empty for a source that judges on demand.
        """
        return " ".join(digest(file) for file in self.files())

    def reading(self, traces: OpenTraces) -> Self:
        """The source with access to traces; the source itself if it needs none."""
        return self

    def asking(self, consented: ConsentedPrompts) -> Self:
        """The source with access to prompts that people asked the server; the source itself if it needs none."""
        return self

    def ceiling(self, pairs: Sequence[Mapping[str, Any]]) -> float | None:
        """The highest expected accuracy that any model can reach on this source's votes on `pairs`; None if unknown.

        `pairs` are preference rows with prompt, chosen and rejected.
        """
        return None

    def probes(self) -> Probes | None:
        """What models are tried with that learn from this source, where it knows that; None by default."""
        return None

    def prompts(self, count: int, seed: int) -> list[tuple[Message, ...]]:
        """Up to `count` prompts to collect answers for. If it returns none, prompts of earlier feedback are used."""
        return []


class RecordSource(Source):
    """A source of records that somebody else wrote: they may state licence and consent, and the source states the rest.

    What a record states itself stays.
    """

    licence: str = "none-stated"
    """Licence (an SPDX name) of the records that state none."""
    consent: str = "none-stated"
    """Consent of the records that state none."""
    trust: bool = False
    """Whether records may state `feedback_id`, `prompt_group` and `split`, and supersede events of other people."""

    @property
    def level(self) -> Trust:
        """Which fields its records may state."""
        return Trust.FULL if self.trust else Trust.OPERATOR

    def defaults(self, intake: Intake) -> dict[str, Any]:
        """Values of the fields that a record does not state."""
        return {"round": intake.round, "licence": self.licence, "consent": self.consent}
