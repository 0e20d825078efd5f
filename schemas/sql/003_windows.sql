-- The rolling windows at the moment of the query, a row each; one pass over the sessions.
CREATE OR REPLACE VIEW rolling_windows
(
    metric LowCardinality(String) COMMENT 'users_active, sessions or study_minutes',
    period LowCardinality(String) COMMENT '1h, 24h, 7d, or all: since the beginning',
    value Float64 COMMENT 'Users, sessions or minutes in (now - period, now]'
)
AS WITH now64(3, 'UTC') AS t, (SELECT (sessions, study_ms) FROM lifetime) AS since_the_beginning
SELECT window.1 AS metric, window.2 AS period, window.3 AS value
FROM
(
    SELECT
        [
            ('users_active', '1h', toFloat64(uniqExactIf(user_id, last_event_at > t - INTERVAL 1 HOUR))),
            ('users_active', '24h', toFloat64(uniqExactIf(user_id, last_event_at > t - INTERVAL 1 DAY))),
            ('users_active', '7d', toFloat64(uniqExactIf(user_id, last_event_at > t - INTERVAL 7 DAY))),
            ('sessions', '1h', toFloat64(countIf(started_at > t - INTERVAL 1 HOUR))),
            ('sessions', '24h', toFloat64(countIf(started_at > t - INTERVAL 1 DAY))),
            ('sessions', '7d', toFloat64(countIf(started_at > t - INTERVAL 7 DAY))),
            ('sessions', 'all', toFloat64(since_the_beginning.1)),
            ('study_minutes', '1h', sumIf(study_ms, started_at > t - INTERVAL 1 HOUR) / 60000),
            ('study_minutes', '24h', sumIf(study_ms, started_at > t - INTERVAL 1 DAY) / 60000),
            ('study_minutes', '7d', sumIf(study_ms, started_at > t - INTERVAL 7 DAY) / 60000),
            ('study_minutes', 'all', since_the_beginning.2 / 60000)
        ] AS windows
    FROM sessions
    WHERE started_at <= t AND last_event_at > t - INTERVAL 7 DAY
)
ARRAY JOIN windows AS window
COMMENT 'Active users, sessions and study minutes of the last hour, day and week, and since the beginning';
