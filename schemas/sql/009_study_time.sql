-- Study time counts the gaps between events of the learner's own doing: not those of the categories error and performance.
-- Rows that were written before this are computed anew from their events by `convergio migrate`.
ALTER TABLE sessions_data
    ADD COLUMN IF NOT EXISTS last_study_at DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC')
        COMMENT 'Its latest event of the learner''s own doing; 1970-01-01 if there is none, or if the row was written when every event counted as study'
        CODEC(Delta, ZSTD(1)) AFTER last_event_at;

ALTER TABLE sessions_data
    COMMENT COLUMN study_ms 'Study time in milliseconds: the sum of the gaps, not longer than the session gap, between events of the learner''s own doing';

ALTER TABLE recent_sessions_data
    COMMENT COLUMN study_ms 'Study time in milliseconds, as in sessions_data';
