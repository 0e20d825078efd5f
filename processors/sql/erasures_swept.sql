-- Moves on every marked erasure of which no row is left.
INSERT INTO erasures_data (topic_id, kafka_partition, kafka_offset, user_id, epoch, closed_day, erased_at, state)
WITH marked AS (SELECT user_id, epoch FROM erasures_data FINAL WHERE state = 'marked')
SELECT
    topic_id, kafka_partition, kafka_offset, user_id, epoch, closed_day, erased_at + INTERVAL 1 MILLISECOND AS swept_at,
    'swept'
FROM erasures_data FINAL
WHERE state = 'marked'
    AND (user_id, epoch) NOT IN
    (
        SELECT user_id, epoch FROM events_data WHERE (user_id, epoch) IN marked
        UNION ALL
        SELECT user_id, epoch FROM sessions_data WHERE (user_id, epoch) IN marked
        UNION ALL
        SELECT user_id, epoch FROM recent_sessions_data WHERE (user_id, epoch) IN marked
    )
