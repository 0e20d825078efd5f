"""What processors wrote while every event counted as study, for tests of what becomes of it."""

from __future__ import annotations

from clickhouse_connect.driver.client import Client

_NEW_OR_OTHER = ("study_ms", "last_study_at")
_STUDY_TIMES = """
SELECT
    user_id, session_id, epoch,
    toUInt64(arraySum(arrayFilter(
        gap -> gap <= 300000, arrayDifference(arraySort(groupArray(toUnixTimestamp64Milli(occurred_at))))
    ))) AS study_ms
FROM events_data FINAL
GROUP BY user_id, session_id, epoch
"""


def write_by_the_old_rule(client: Client) -> None:
    """Writes the row of every session as a processor of that time would, later than those that stand there."""
    found = client.query(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'sessions_data'"
    ).result_rows
    columns = [str(name) for (name,) in found if name not in _NEW_OR_OTHER]
    client.command(
        f"INSERT INTO sessions_data (study_ms, {', '.join(columns)})"
        f" SELECT of_that_time.study_ms, {', '.join(f'stored.{name}' for name in columns)}"
        f" FROM (SELECT * FROM sessions_data FINAL) AS stored INNER JOIN ({_STUDY_TIMES}) AS of_that_time"
        " USING (user_id, session_id, epoch)"
    )
