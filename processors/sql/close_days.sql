-- Sums the sessions that ended on each day up to {day} and are still shown one by one. With this insert the view
-- sessions stops showing them and the view lifetime counts the sums instead, in the same moment. The last day gets a
-- row even if no session ended on it: it says up to where days are closed.
INSERT INTO totals_data
    (source, closed_day, kafka_partition, kafka_offset, sessions, study_ms, events, {counters}, maestros)
WITH
    summed AS (SELECT maestros FROM sessions WHERE toDate(last_event_at) <= '{day}'),
    ({named_maestros}) AS named
SELECT
    'day', toDate(last_event_at) AS ended_on, 0, 0, count(), sum(study_ms), sum(events),
    {counter_sums}, {maestro_sums}
FROM sessions
WHERE toDate(last_event_at) <= '{day}'
GROUP BY ended_on
UNION ALL
SELECT 'day', toDate('{day}'), 0, 0, 0, 0, 0, {counter_zeros}, CAST(map(), 'Map(String, UInt64)')
WHERE toDate('{day}') > (SELECT max(closed_day) FROM totals_data)
