-- Keeps what a user's sessions added to the sums since the beginning, in a row that holds no id. Shown only once the
-- erasure itself is written, and replaced only by a row with more events, so running it again is harmless.
INSERT INTO totals_data
    (source, closed_day, kafka_partition, kafka_offset, sessions, study_ms, events, {counters}, maestros)
SELECT
    'erasure', toDate(0), {partition}, {offset}, count() AS erased_sessions, sum(study_ms), sum(events),
    {counter_sums}, CAST(sumMap(maestros), 'Map(String, UInt64)')
FROM sessions
WHERE user_id = '{user}'
HAVING erased_sessions > 0
