-- {limit} sessions, in the order of their keys after the given one, of which a row may have been written when every event
-- counted as study. Not FINAL: that would read the whole table each time.
SELECT toString(user_id), toString(session_id), toString(epoch)
FROM sessions_data
WHERE user_id >= '{user}' AND (user_id, session_id, epoch) > (toUUID('{user}'), toUUID('{session}'), {epoch})
    AND last_study_at = toDateTime64(0, 3, 'UTC')
    AND (study_ms > 0 OR arrayExists(count -> count > 0, [{study_counters}]))
    AND (user_id, epoch) NOT IN (SELECT user_id, epoch FROM erasures_data)
ORDER BY user_id, session_id, epoch
LIMIT 1 BY user_id, session_id, epoch
LIMIT {limit}
