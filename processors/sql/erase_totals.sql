-- Keeps what an epoch of a user added to the sums since the beginning, and no closed day has counted, in a row that
-- holds no id. Shown only once the erasure itself is written and names its closed day. Replaced only by a row with more
-- events, so running it again is harmless, also when the sessions are gone.
INSERT INTO totals_data
    (source, closed_day, topic_id, kafka_partition, kafka_offset, sessions, study_ms, events, {counters}, maestros)
WITH
    summed AS
    (
        SELECT maestros
        FROM sessions_data FINAL
        WHERE user_id = '{user}' AND epoch = {epoch} AND toDate(last_event_at) > '{closed}'
    ),
    ({named_maestros}) AS named
SELECT
    'erasure', '{closed}', '{topic}', {partition}, {offset}, count() AS erased_sessions, sum(study_ms), sum(events),
    {counter_sums}, {maestro_sums}
FROM sessions_data FINAL
WHERE user_id = '{user}' AND epoch = {epoch} AND toDate(last_event_at) > '{closed}'
HAVING erased_sessions > 0
