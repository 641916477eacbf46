"""How many single events arrived on each day."""

from datetime import date, datetime

from sqlalchemy import func, select

from feedback.store.database import Database
from feedback.store.tables import events


def a_day(database: Database, since: datetime) -> dict[date, int]:
    """Day (UTC) → events that arrived on it, for the days that have any.

    Args:
        database: has the events, ingested or not.
        since: older ones do not count.
    """
    day = func.strftime("%Y-%m-%d", events.c.received_at)  # stored in UTC
    if database.dialect == "postgresql":
        day = func.to_char(func.timezone("UTC", events.c.received_at), "YYYY-MM-DD")
    query = select(day, func.count()).where(events.c.received_at >= since).group_by(day)
    rows = database.read(lambda connection: connection.execute(query).all())
    return {date.fromisoformat(text): count for text, count in rows}
