-- Which rows of erased epochs stand in which table: of an erasure just carried out, or of a late writer after it.
SELECT 'events_data', toString(user_id), toString(epoch) FROM events_data
WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
UNION DISTINCT
SELECT 'sessions_data', toString(user_id), toString(epoch) FROM sessions_data
WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
UNION DISTINCT
SELECT 'recent_sessions_data', toString(user_id), toString(epoch) FROM recent_sessions_data
WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
