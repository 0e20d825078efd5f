-- Whom a late writer wrote to again after their erasure.
SELECT DISTINCT user_id, epoch FROM
(
    SELECT user_id, epoch FROM events_data WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
    UNION ALL
    SELECT user_id, epoch FROM sessions_data WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
    UNION ALL
    SELECT user_id, epoch FROM recent_sessions_data WHERE (user_id, epoch) IN (SELECT user_id, epoch FROM erasures_data)
)
FORMAT TSV
