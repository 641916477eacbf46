"""Removing one annotator's feedback, and what the annotator asked the server, from a workspace, or counting it.

Each place is one function with the same arguments; it is repeatable, so that a purge that was killed continues. The
answers of the server and the parts come last: from them it is known what else has to go.
"""

import html
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core import urls
from core.errors import RoundsError
from core.files import replacing
from feedback import packaging
from feedback.forgotten import pseudonym
from feedback.store import erasure, parquet
from feedback.store.erasure import Erased, mentions
from tasks.history import collected_prompts
from tasks.state import feedback_database, receipts, served_answers, tables
from tasks.state.workspace import Workspace
from tasks.tools import traces, tracking
from tasks.tools.versioning import DataGraph

if TYPE_CHECKING:
    from feedback.store.database import Database

_OWN = ("feedback", "votes", "inbox")
"""Folders of data/ that have a place of their own."""

_FILES = ("audit.jsonl", "tombstones.jsonl")
"""Files of data/ that are never rewritten."""

_SERVICES = "services"
"""Folder of data/ that is left out: its files belong to Prefect and to other running services, which change and remove
them at any time. They have no texts of feedback, except that a log may quote a record."""


class Place(NamedTuple):
    """A place in the workspace that has feedback of the annotator."""

    what: str
    where: str
    number: int
    problem: str | None = None
    """Why the place could not be searched or changed; None if it could."""


def places(workspace: Workspace, annotator: str, write: bool) -> Iterator[Place]:
    """Search every place in the workspace, and with `write` remove what is found. Places without any are left out.

    A place that cannot be searched has a `problem`; the others are done all the same.
    """
    what = erasure.erased(workspace.feedback, annotator, _asked(workspace, annotator))
    for name in PLACES:
        if place := _searched(workspace, name, what, write):
            yield place


def end_sessions(workspace: Workspace, annotator: str) -> Place | None:
    """End the annotator's sessions on the pages of the server; None if there are none.

    Whoever begins a session looks for a tombstone afterwards: call it when there is one.
    """
    return _searched(workspace, SESSIONS, Erased(annotator, frozenset(), frozenset()), write=True)


def _searched(workspace: Workspace, name: str, what: Erased, write: bool) -> Place | None:
    path, work = PLACES[name]
    try:
        count, problem = work(workspace, what, write), None
    except RoundsError as error:
        count, problem = 0, str(error)
    return Place(name, _named(workspace, path(workspace)), count, problem) if count or problem else None


def _asked(workspace: Workspace, annotator: str) -> frozenset[str]:
    """Texts that the server has because of the annotator, or had until the answer was removed.

    None if the database, which is a place, has a problem.
    """
    with suppress(RoundsError):
        return served_answers.own_texts(workspace, annotator) | collected_prompts.of_asker(workspace, annotator)
    return frozenset()


def _named(workspace: Workspace, where: Path | str) -> str:
    if isinstance(where, Path) and where.is_relative_to(workspace.root):
        return workspace.name(where)
    return str(where)


def _tables(workspace: Workspace, what: Erased, write: bool) -> int:
    """Rows of the derived tables. Those of the samples stay, without their texts: each has a pair beside it."""
    return sum(_erase_rows(path, what, write) for path in _derived(workspace, "*.arrow"))


def _erase_rows(path: Path, what: Erased, write: bool) -> int:
    with pa.OSFile(str(path)) as file:
        table = pa.ipc.open_stream(file).read_all()
    rows = table.to_pylist()
    kept = [row for row in rows if not what.has(row)]
    if write and len(kept) < len(rows):
        changed = what.without(rows) if path.stem == "samples" else kept
        tables.write(path, pa.Table.from_pylist(changed, schema=table.schema))
    return len(rows) - len(kept)


def _reports(workspace: Workspace, what: Erased, write: bool) -> int:
    """Texts in JSON: examples in reports and records, pairs to be labelled or voted on, ballots of others."""
    return sum(_erase_texts(path, what, write) for path in _json_files(workspace))


def _json_files(workspace: Workspace) -> list[Path]:
    return [*_derived(workspace, "*.json"), *_derived(workspace, "*.jsonl")]


def _derived(workspace: Workspace, pattern: str) -> list[Path]:
    """The derived files that match: no folders, FIFOs and dangling links, which somebody may have put there."""
    files = workspace.data.rglob(pattern)
    return sorted(file for file in files if _is_derived(file.relative_to(workspace.data)) and file.is_file())


def _is_derived(path: Path) -> bool:
    return path.parts[0] not in (*_OWN, *_FILES, _SERVICES, "checkpoints", "champion")


def _erase_texts(path: Path, what: Erased, write: bool) -> int:
    """Replace the texts in a file of JSON, or of JSON lines. Lines that have none stay as they are."""
    content = path.read_bytes()
    parts = [content] if path.suffix == ".json" else content.splitlines(keepends=True)
    values = [json.loads(part) for part in parts]
    found = [what.has(value) for value in values]
    if write and any(found):
        indent = 2 if path.suffix == ".json" else None
        changed = [
            json.dumps(what.without(value), indent=indent, ensure_ascii=False).encode() + b"\n" if has else part
            for part, value, has in zip(parts, values, found, strict=True)
        ]
        with replacing(path) as draft:
            draft.write_bytes(b"".join(changed))
    return sum(found)


def _pages(workspace: Workspace, what: Erased, write: bool) -> int:
    """Pages of `explain`, drift and dashboards with one of the texts: they are removed, and can be made again."""
    pages = [page for page in _derived(workspace, "*.html") if _page_has(page, what)]
    for page in pages if write else ():
        page.unlink()
    return len(pages)


def _page_has(page: Path, what: Erased) -> bool:
    content = page.read_text(encoding="utf-8", errors="replace")
    forms = {form for text in what.texts for form in (text, html.escape(text), json.dumps(text)[1:-1])}
    return any(form in content for form in forms)


def _cache(workspace: Workspace, what: Erased, write: bool) -> int:
    """Objects of the DVC cache, of all rounds; a list of the files of a folder has no content."""
    collected = collected_prompts.remove_objects(workspace, what.asked, write)
    objects = DataGraph(workspace.root).objects()
    found = [file for md5, file in objects.items() if not md5.endswith(".dir") and _object_has(file, what)]
    for file in found if write else ():
        file.unlink()
    return collected + len(found)


def _object_has(file: Path, what: Erased) -> bool:
    """Whether a file of unknown kind has any of it: Parquet, an Arrow stream, or JSON lines."""
    content = file.read_bytes()
    try:
        if content.startswith(b"PAR1"):
            return any(map(what.has, pq.read_table(file).to_pylist()))
        if content.startswith(b"\xff\xff\xff\xff"):
            return any(map(what.has, pa.ipc.open_stream(content).read_all().to_pylist()))
        return any(_value_has(value, what) for value in _json_values(content))
    except (ValueError, pa.ArrowInvalid):
        return False  # weights, or no feedback


def _json_values(content: bytes) -> list[Any]:
    """The JSON value of a file, or those of its lines.

    Raises:
        ValueError: it is neither.
    """
    try:
        return [json.loads(content)]
    except ValueError:
        return [json.loads(line) for line in content.splitlines()]


def _value_has(value: Any, what: Erased) -> bool:
    """Whether a JSON value has any of it; a rejected record may have the id in a field of any name."""
    rejected = value.get("record") if isinstance(value, dict) else None
    return what.has(value) or (isinstance(rejected, str) and mentions(rejected, {what.annotator}))


def _waiting(workspace: Workspace, what: Erased, write: bool) -> int:
    """Records in the inbox; a file that was imported still counts as such."""
    if write and workspace.inbox.is_dir():
        receipts.begin(workspace)
    imported = receipts.valid(workspace)
    count = _handed_in(workspace.inbox, what, write)
    if write:
        receipts.renew(workspace, imported)
    return count


def _handed_in(folder: Path, what: Erased, write: bool) -> int:
    files = [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
    named = (file for file in sorted(files) if packaging.is_named_as_records(file.name))
    return sum(erasure.erase_records(file, what.annotator, write) for file in named)


def _in_database(erase: Callable[["Database", Erased, bool], int]) -> Callable[[Workspace, Erased, bool], int]:
    """The same for a workspace; nothing is found where no feedback database was created."""

    def work(workspace: Workspace, what: Erased, write: bool) -> int:
        if not feedback_database.exists(workspace):
            return 0
        with feedback_database.opened(workspace) as database:
            return erase(database, what, write)

    return work


@_in_database
def _database(database: "Database", what: Erased, write: bool) -> int:
    from feedback.store import arrivals  # only here, as in those below: SQLAlchemy takes a second to load

    return arrivals.erase(database, what.annotator, write)


@_in_database
def _served(database: "Database", what: Erased, write: bool) -> int:
    from feedback.store import answers

    return answers.erase(database, what.annotator, write)


@_in_database
def _queued(database: "Database", what: Erased, write: bool) -> int:
    from feedback.store import label_queues

    return label_queues.erase(database, "asker", what.annotator, write)


def _collected_items(workspace: Workspace, what: Erased, write: bool) -> int:
    return collected_prompts.remove_items(workspace, what.asked, write)


@_in_database
def _sessions(database: "Database", what: Erased, write: bool) -> int:
    from feedback.store import sessions

    return sessions.erase(database, what.annotator, write)


@_in_database
def _keys(database: "Database", what: Erased, write: bool) -> int:
    from feedback.store import keys

    return keys.erase(database, what.annotator, datetime.now(UTC), write)


def _traces(workspace: Workspace, what: Erased, write: bool) -> int:
    """Traces of the server's answers in MLflow. After the answers: see `serving.tracing`."""
    count = traces.remove(workspace.root, traces.ASKER, pseudonym(what.annotator), write)
    if write:
        traces.compact(workspace.root)
    return count


def _store(workspace: Workspace) -> Path | str:
    """Where the traces are: MLflow's file in the workspace, or the address of a server."""
    if tracking.is_local(workspace.root):
        return workspace.database
    return urls.without_secrets(urls.without_user(tracking.uri(workspace.root)))


Work = Callable[[Workspace, Erased, bool], int]

SESSIONS = "sessions on the pages of the server"

PLACES: dict[str, tuple[Callable[[Workspace], Path | str], Work]] = {
    SESSIONS: (feedback_database.place, _sessions),
    "keys, which are revoked and lose the name": (feedback_database.place, _keys),
    "ballots": (lambda w: w.ballots, lambda w, what, write: erasure.erase_votes(w.ballots, what.annotator, write)),
    "collected answers to their prompts": (
        lambda w: w.answers,
        lambda w, what, write: collected_prompts.remove_pairs(w, what.asked, write),
    ),
    "collected answers to their prompts in labelling queues": (feedback_database.place, _collected_items),
    "rows of derived tables": (lambda w: w.data, _tables),
    "texts in reports and records": (lambda w: w.data, _reports),
    "pages": (lambda w: w.data, _pages),
    "objects of the DVC cache": (lambda w: DataGraph(w.root).cache, _cache),
    "records in the inbox": (lambda w: w.inbox, lambda w, what, write: _waiting(w, what, write)),
    "records in files that rounds took in": (
        lambda w: w.taken,
        lambda w, what, write: _handed_in(w.taken, what, write),
    ),
    "events in the feedback database": (feedback_database.place, _database),
    "counted fresh votes": (
        lambda w: w.votes,
        lambda w, what, write: erasure.erase_parts(w.votes, what.annotator, write),
    ),
    "fresh votes of others on their prompts": (
        lambda w: w.votes,
        lambda w, what, write: erasure.erase_texts(w.votes, what, write),
    ),
    "rejected fresh votes": (
        lambda w: parquet.quarantine_folder(w.votes),
        lambda w, what, write: erasure.erase_rejections(w.votes, what.annotator, write),
    ),
    "records in quarantine": (
        lambda w: parquet.quarantine_folder(w.feedback),
        lambda w, what, write: erasure.erase_rejections(w.feedback, what.annotator, write),
    ),
    "answers of the server in the feedback database": (feedback_database.place, _served),
    "answers of the server in labelling queues": (feedback_database.place, _queued),
    "traces of answers in MLflow": (_store, _traces),
    "stored events": (
        lambda w: w.feedback,
        lambda w, what, write: erasure.erase_parts(w.feedback, what.annotator, write),
    ),
}
"""What is found in a place → where it is, and how it is counted or removed. In the order of a purge."""
