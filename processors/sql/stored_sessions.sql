-- The rows of some sessions, and of others of the same users by chance.
SELECT
    user_id, session_id, epoch, toUnixTimestamp64Milli(started_at), toUnixTimestamp64Milli(last_event_at),
    toUnixTimestamp64Milli(last_study_at), study_ms, events, [{counters}], maestros
FROM sessions_data FINAL
WHERE user_id IN ({users}) AND session_id IN ({sessions})
