-- Active users, sessions started and their study time in (t - 1 h, t], (t - 24 h, t] and (t - 7 d, t], in one row.
-- at_ms: the moment t, in milliseconds since 1970.
WITH fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC') AS t
SELECT
    countIf(last_seen > t - INTERVAL 1 HOUR) AS users_1h,
    countIf(last_seen > t - INTERVAL 1 DAY) AS users_24h,
    count() AS users_7d,
    sum(started_1h) AS sessions_1h,
    sum(started_24h) AS sessions_24h,
    sum(started_7d) AS sessions_7d,
    sum(studied_1h) AS study_ms_1h,
    sum(studied_24h) AS study_ms_24h,
    sum(studied_7d) AS study_ms_7d
FROM
(
    SELECT
        user_id,
        max(last_event_at) AS last_seen,
        countIf(started_at > t - INTERVAL 1 HOUR) AS started_1h,
        countIf(started_at > t - INTERVAL 1 DAY) AS started_24h,
        countIf(started_at > t - INTERVAL 7 DAY) AS started_7d,
        sumIf(study_ms, started_at > t - INTERVAL 1 HOUR) AS studied_1h,
        sumIf(study_ms, started_at > t - INTERVAL 1 DAY) AS studied_24h,
        sumIf(study_ms, started_at > t - INTERVAL 7 DAY) AS studied_7d
    FROM recent_sessions
    WHERE started_at <= t AND last_event_at > t - INTERVAL 7 DAY
    GROUP BY user_id
)
