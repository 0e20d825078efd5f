-- Zeroes the user id of every erasure of which no row is left, once both ClickHouse's clock and {now} are {days} days after it.
INSERT INTO erasures_data (topic_id, kafka_partition, kafka_offset, user_id, epoch, closed_day, erased_at, state)
WITH
    least(now(), toDateTime('{now}', 'UTC')) - INTERVAL {days} DAY AS moment,
    old AS (SELECT user_id, epoch FROM erasures_data FINAL WHERE state = 'swept' AND erased_at < moment)
SELECT
    topic_id, kafka_partition, kafka_offset, toUUID('{nobody}'), epoch, closed_day,
    erased_at + INTERVAL 1 MILLISECOND AS forgotten_at, 'forgotten'
FROM erasures_data FINAL
WHERE state = 'swept' AND erased_at < moment
    AND (user_id, epoch) NOT IN
    (
        SELECT user_id, epoch FROM events_data WHERE (user_id, epoch) IN old
        UNION ALL
        SELECT user_id, epoch FROM sessions_data WHERE (user_id, epoch) IN old
        UNION ALL
        SELECT user_id, epoch FROM recent_sessions_data WHERE (user_id, epoch) IN old
    )
