"""`/label`: tasks for a person who judges, one after the other. Every form works without JavaScript."""

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import BadFeedback, RoundsError
from serving.context import Serving, serving_of
from serving.pages import judging
from serving.pages.forms import FormFields, Posted
from serving.pages.frame import page
from serving.pages.judging import ASIDE, QUESTIONS, TEXTS, choices, choices_by_criterion
from serving.pages.markdown import MOST, is_cut, side_by_side
from serving.pages.visitors import Annotating, Visitor
from tasks.people import guidelines, labelling, nothing_to_label
from tasks.people.labelling import AlreadyJudged, NothingToUndo, NotYours
from tasks.people.nothing_to_label import WhyNothing
from tasks.people.polls import NoPoll

if TYPE_CHECKING:
    from feedback.store.database import Database

NOTICES = {
    "judged": "Saved.",
    "skip": "Skipped: somebody else is asked.",
    "cannot_judge": "Saved: it cannot be judged.",
    "again": "This was saved before. It is stored once.",
    "continued": "Saved. It was the last vote that the round waited for, and the round goes on.",
    "undone": "Taken back. Judge the task again.",
}
"""What happened before the page was opened → what is said of it."""

STATUSES: dict[type[RoundsError], int] = {
    BadFeedback: 400,
    NotYours: 409,
    AlreadyJudged: 409,
    NoPoll: 409,
    NothingToUndo: 409,
}
"""Error of labelling → the HTTP status of the page that shows it."""

router = APIRouter(include_in_schema=False)


@router.get("/label")
async def label(request: Request, visitor: Annotating, after: str = "") -> Response:
    """Show the task that the person has, or the next one."""
    serving = serving_of(request)
    return await serving.storage.run(lambda database: _task(serving, database, visitor, NOTICES.get(after, "")))


@router.post("/label")
async def judge(request: Request, visitor: Annotating, fields: Posted) -> Response:
    """Store a judgement, and show the next task. Sent again, it is stored once."""
    serving = serving_of(request)
    return await serving.storage.run(lambda database: _judged(serving, database, visitor, fields))


@router.post("/label/undo")
async def undo(request: Request, visitor: Annotating, _: Posted) -> Response:
    """Take the last judgement back, and show its task."""
    serving = serving_of(request)
    return await serving.storage.run(lambda database: _undone(serving, database, visitor))


def _judged(serving: Serving, database: "Database", visitor: Visitor, fields: FormFields) -> Response:
    try:
        said = judging.judgement(fields)
        receipt = labelling.judge(
            serving.workspace,
            database,
            serving.settings.label,
            visitor.annotator,
            fields.get("task", ""),
            said,
            serving.settings.terms,
        )
    except tuple(STATUSES) as error:
        return _task(serving, database, visitor, str(error), fields, _status(error))
    after = "again" if receipt.repeated else "continued" if receipt.continued else said.outcome or "judged"
    return RedirectResponse(f"/label?after={after}", 303)


def _undone(serving: Serving, database: "Database", visitor: Visitor) -> Response:
    try:
        labelling.undo(serving.workspace, database, serving.settings.label, visitor.annotator, serving.settings.terms)
    except tuple(STATUSES) as error:
        return _task(serving, database, visitor, str(error), status=_status(error))
    return RedirectResponse("/label?after=undone", 303)


def _status(error: RoundsError) -> int:
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def _task(
    serving: Serving,
    database: "Database",
    visitor: Visitor,
    notice: str,
    kept: FormFields | None = None,
    status: int = 200,
) -> Response:
    """The page with the task that the person has.

    Args:
        serving: has workspace and settings.
        database: the feedback database.
        visitor: who judges.
        notice: what happened before.
        kept: the fields of a form that was refused: what was typed stays in the page, if the task is the same.
        status: the HTTP status.
    """
    try:
        task = labelling.take(serving.workspace, database, serving.settings.label, visitor.annotator)
    except BadFeedback as error:  # the person is forgotten
        return page("problem.html.jinja", visitor, "Label", 409, message=str(error), again=False)
    why = None if task else _why_nothing(serving, database, visitor)
    return page(
        "label.html.jinja" if task else "nothing_to_label.html.jinja",
        visitor,
        "Label",
        status,
        task=task,
        progress=labelling.progress(serving.workspace, database, serving.settings.label, visitor.annotator),
        guidelines=guidelines.read(serving.workspace),
        notice=notice,
        refused=status != 200,
        kept=kept if kept and task and kept.get("task") == task.id else {},
        pair=side_by_side(*task.answers) if task and len(task.answers) == 2 else None,
        choices=choices(task) if task else (),
        by_criterion=choices_by_criterion(task) if task else (),
        aside=ASIDE,
        question=QUESTIONS[task.kind] if task else "Nothing to label now",
        text_label=TEXTS.get(task.kind, "") if task else "",
        cut=MOST if task and any(map(is_cut, [*task.answers, *(turn.content for turn in task.prompt)])) else 0,
        why=why.reason if why else "",
        until=why.until if why else None,
    )


def _why_nothing(serving: Serving, database: "Database", visitor: Visitor) -> WhyNothing | None:
    """Why there is no task; None if there is one by now, or if the registry has not answered yet."""
    champion = serving.follower.has_champion
    return nothing_to_label.why_nothing(
        serving.workspace, database, serving.settings.label, visitor.annotator, champion
    )
