-- How many sessions of a user are not what the user's events make them. Gaps come from a window here, not from arrays.
WITH
    made AS
    (
        SELECT
            session_id,
            min(occurred_at) AS started_at,
            max(occurred_at) AS last_event_at,
            toUInt64(sum(if(is_study AND gap_ms <= {gap_ms:UInt64}, gap_ms, 0))) AS study_ms,
            toUInt32(count()) AS events,
            [{counts}] AS counts,
            arraySort(groupArrayIf(toString(label), action = 'maestro_selected')) AS maestros
        FROM
        (
            SELECT
                session_id, occurred_at, action, label, category NOT IN ('error', 'performance') AS is_study,
                dateDiff('millisecond', lagInFrame(occurred_at, 1, occurred_at) OVER in_order, occurred_at) AS gap_ms
            FROM events
            WHERE user_id = {user:UUID}
            WINDOW in_order AS
                (PARTITION BY session_id, is_study ORDER BY occurred_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
        )
        GROUP BY session_id
    ),
    written AS
    (
        SELECT
            session_id, started_at, last_event_at, study_ms, events,
            [{counters}] AS counts,
            arraySort(arrayFlatten(arrayMap(
                (maestro, times) -> arrayWithConstant(times, toString(maestro)), mapKeys(maestros), mapValues(maestros)
            ))) AS maestros
        FROM sessions
        WHERE user_id = {user:UUID}
    )
SELECT uniqExact(session_id)
FROM
(
    (SELECT * FROM made EXCEPT SELECT * FROM written)
    UNION ALL
    (SELECT * FROM written EXCEPT SELECT * FROM made)
)
