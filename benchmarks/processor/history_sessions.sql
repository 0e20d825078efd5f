-- Sessions as a processor writes them, from the stored events.
INSERT INTO sessions_data
    (user_id, session_id, epoch, started_at, last_event_at, last_study_at, study_ms, events, {counters}, maestros)
WITH category NOT IN ('error', 'performance') AS is_study
SELECT
    user_id,
    session_id,
    0,
    min(occurred_at),
    max(occurred_at),
    maxIf(occurred_at, is_study),
    arraySum(arrayFilter(
        gap -> gap <= {gap_ms:UInt64},
        arrayDifference(arraySort(groupArrayIf(toUnixTimestamp64Milli(occurred_at), is_study)))
    )),
    count(),
    {counts},
    CAST(sumMapIf(map(toString(label), 1), action = 'maestro_selected'), 'Map(LowCardinality(String), UInt32)')
FROM events_data
GROUP BY user_id, session_id
