-- The sessions of the last days apart, so that the rolling windows need not read those of the whole retention. Only
-- the materialized view below writes here; whoever deletes a user's sessions deletes here, too.
--
-- A session's last event only moves forward, so its newest row is its youngest: if that one is at most 8 days old, it
-- is here, whichever older rows are not. Rows are absolute: what is inserted twice counts once, as in sessions_data.
CREATE TABLE IF NOT EXISTS recent_sessions_data
(
    user_id UUID COMMENT 'Random id of the user',
    session_id UUID COMMENT 'Chosen by the client; unique per user',
    epoch UInt16 COMMENT 'How many erasures of this user came before it' CODEC(ZSTD(1)),
    started_at DateTime64(3, 'UTC') COMMENT 'Its earliest event' CODEC(Delta, ZSTD(1)),
    last_event_at DateTime64(3, 'UTC') COMMENT 'Its latest event' CODEC(Delta, ZSTD(1)),
    study_ms UInt64 COMMENT 'Study time in milliseconds' CODEC(ZSTD(1)),
    events UInt32 COMMENT 'Unique events folded in; also the version of the row' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (user_id, session_id, epoch)
TTL toDateTime(last_event_at) + INTERVAL 8 DAY
COMMENT 'The rows of sessions_data whose last event is at most 8 days old; read the view recent_sessions instead';

CREATE MATERIALIZED VIEW IF NOT EXISTS recent_sessions_feed TO recent_sessions_data
(
    user_id UUID COMMENT 'As inserted into sessions_data',
    session_id UUID COMMENT 'As inserted into sessions_data',
    epoch UInt16 COMMENT 'As inserted into sessions_data',
    started_at DateTime64(3, 'UTC') COMMENT 'As inserted into sessions_data',
    last_event_at DateTime64(3, 'UTC') COMMENT 'As inserted into sessions_data',
    study_ms UInt64 COMMENT 'As inserted into sessions_data',
    events UInt32 COMMENT 'As inserted into sessions_data'
)
AS SELECT user_id, session_id, epoch, started_at, last_event_at, study_ms, events
FROM sessions_data
WHERE last_event_at > now() - INTERVAL 8 DAY
COMMENT 'Copies every row inserted into sessions_data that is recent enough';

-- What was there before the feed. What comes in the meantime arrives twice and counts once.
INSERT INTO recent_sessions_data (user_id, session_id, epoch, started_at, last_event_at, study_ms, events)
SELECT user_id, session_id, epoch, started_at, last_event_at, study_ms, events
FROM sessions_data
WHERE last_event_at > now() - INTERVAL 8 DAY;

CREATE OR REPLACE VIEW recent_sessions
(
    user_id UUID COMMENT 'Random id of the user',
    session_id UUID COMMENT 'Chosen by the client; unique per user',
    started_at DateTime64(3, 'UTC') COMMENT 'Its earliest event',
    last_event_at DateTime64(3, 'UTC') COMMENT 'Its latest event',
    study_ms UInt64 COMMENT 'Study time in milliseconds',
    events UInt32 COMMENT 'Its unique events'
)
AS SELECT user_id, session_id, started_at, last_event_at, study_ms, events
FROM recent_sessions_data FINAL
WHERE (user_id, epoch) NOT IN (SELECT user_id, epoch FROM erasures_data)
    AND toDate(last_event_at) > (SELECT max(closed_day) FROM totals_data)
COMMENT 'Every session whose last event is less than 7 days old, once; older ones may be missing';
