-- The tables behind the views. People read the views of 002; processors write these.
-- Every insert is idempotent: a row's key holds only what a repetition cannot change.

-- The truth: one row per unique event. The processors drop known ids before they insert; the engine's key is
-- the last line of defence, when two owners of a partition write the same event for a moment.
CREATE TABLE IF NOT EXISTS events_data
(
    event_id UUID COMMENT 'Chosen by the client; unique per user',
    user_id UUID COMMENT 'Random id of the user; derived from nothing about the person',
    session_id UUID COMMENT 'Chosen by the client; unique per user',
    category LowCardinality(String) COMMENT 'What the event is about',
    action LowCardinality(String) COMMENT 'What happened',
    label LowCardinality(String) COMMENT 'What it happened to, for example the maestro; empty when not sent',
    value Float64 COMMENT 'A number that belongs to the action, for example seconds; 0 when not sent',
    metadata String COMMENT 'Further facts as one flat JSON object; empty when not sent' CODEC(ZSTD(3)),
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, by the client''s clock corrected for skew' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it' CODEC(Delta, ZSTD(1)),
    kafka_partition UInt16 COMMENT 'Partition of the message that brought it' CODEC(ZSTD(1)),
    kafka_offset UInt64 COMMENT 'Offset of the message that brought it' CODEC(Delta, ZSTD(1)),
    epoch UInt16 DEFAULT 0 COMMENT 'How many erasures of this user came before it' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toDate(occurred_at)
ORDER BY (user_id, event_id, epoch)
COMMENT 'Unique events as stored; read the view events instead';

-- One row per session, written as absolute values folded from all of its events. A set of events only grows, so
-- the row with more events is the newer truth, whoever wrote it and however late.
CREATE TABLE IF NOT EXISTS sessions_data
(
    user_id UUID COMMENT 'Random id of the user',
    session_id UUID COMMENT 'Chosen by the client; unique per user',
    epoch UInt16 DEFAULT 0 COMMENT 'How many erasures of this user came before it' CODEC(ZSTD(1)),
    started_at DateTime64(3, 'UTC') COMMENT 'Its earliest event' CODEC(Delta, ZSTD(1)),
    last_event_at DateTime64(3, 'UTC') COMMENT 'Its latest event' CODEC(Delta, ZSTD(1)),
    study_ms UInt64 COMMENT 'Study time in milliseconds: the sum of its gaps that are not longer than the session gap' CODEC(ZSTD(1)),
    events UInt32 COMMENT 'Unique events folded in; also the version of the row' CODEC(ZSTD(1)),
    page_views UInt32 COMMENT 'Its page_view events',
    route_changes UInt32 COMMENT 'Its route_change events',
    flashcards UInt32 COMMENT 'Its flashcard_review events',
    quizzes UInt32 COMMENT 'Its quiz_complete events',
    mind_maps UInt32 COMMENT 'Its mind_map_view events',
    questions UInt32 COMMENT 'Its message_sent events',
    session_starts UInt32 COMMENT 'Its session_start events',
    session_ends UInt32 COMMENT 'Its session_end events',
    maestro_selections UInt32 COMMENT 'Its maestro_selected events',
    voice_sessions UInt32 COMMENT 'Its voice_session events',
    teaching_interactions UInt32 COMMENT 'Its teaching_interaction events',
    tools_created UInt32 COMMENT 'Its tool_created events',
    tools_completed UInt32 COMMENT 'Its tool_completed events',
    tools_exported UInt32 COMMENT 'Its tool_exported events',
    settings_changed UInt32 COMMENT 'Its setting_changed events',
    modes_activated UInt32 COMMENT 'Its mode_activated events',
    client_errors UInt32 COMMENT 'Its client_error events',
    api_errors UInt32 COMMENT 'Its api_error events',
    page_loads UInt32 COMMENT 'Its page_load events',
    interaction_times UInt32 COMMENT 'Its interaction_time events',
    maestros Map(LowCardinality(String), UInt32) COMMENT 'maestro_selected events by maestro'
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (user_id, session_id, epoch)
COMMENT 'Sessions as written; read the view sessions instead';

-- What outlives retention and erasure: sums that hold no id, one absolute row per closed day or erasure. A row
-- that sums more events replaces one that sums fewer, so closing the same day twice changes nothing.
CREATE TABLE IF NOT EXISTS totals_data
(
    source Enum8('day' = 1, 'erasure' = 2) COMMENT 'Why these sessions are no longer in sessions_data',
    closed_day Date COMMENT 'day: the day of their last event; erasure: 1970-01-01',
    kafka_partition UInt16 COMMENT 'erasure: partition of the message that asked for it; day: 0',
    kafka_offset UInt64 COMMENT 'erasure: offset of the message that asked for it; day: 0',
    sessions UInt64 COMMENT 'Sessions summed up here',
    study_ms UInt64 COMMENT 'Their study time in milliseconds',
    events UInt64 COMMENT 'Their events; also the version of the row',
    page_views UInt64 COMMENT 'Their page_view events',
    route_changes UInt64 COMMENT 'Their route_change events',
    flashcards UInt64 COMMENT 'Their flashcard_review events',
    quizzes UInt64 COMMENT 'Their quiz_complete events',
    mind_maps UInt64 COMMENT 'Their mind_map_view events',
    questions UInt64 COMMENT 'Their message_sent events',
    session_starts UInt64 COMMENT 'Their session_start events',
    session_ends UInt64 COMMENT 'Their session_end events',
    maestro_selections UInt64 COMMENT 'Their maestro_selected events',
    voice_sessions UInt64 COMMENT 'Their voice_session events',
    teaching_interactions UInt64 COMMENT 'Their teaching_interaction events',
    tools_created UInt64 COMMENT 'Their tool_created events',
    tools_completed UInt64 COMMENT 'Their tool_completed events',
    tools_exported UInt64 COMMENT 'Their tool_exported events',
    settings_changed UInt64 COMMENT 'Their setting_changed events',
    modes_activated UInt64 COMMENT 'Their mode_activated events',
    client_errors UInt64 COMMENT 'Their client_error events',
    api_errors UInt64 COMMENT 'Their api_error events',
    page_loads UInt64 COMMENT 'Their page_load events',
    interaction_times UInt64 COMMENT 'Their interaction_time events',
    maestros Map(String, UInt64) COMMENT 'Their maestro_selected events by maestro'
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (source, closed_day, kafka_partition, kafka_offset)
COMMENT 'Sums of sessions that were closed by retention or erased; read the view lifetime instead';

-- Who asked to be forgotten, and up to where. The id itself goes after a month: by then nothing from before the
-- erasure can still be written.
CREATE TABLE IF NOT EXISTS erasures_data
(
    kafka_partition UInt16 COMMENT 'Partition of the message that asked for it',
    kafka_offset UInt64 COMMENT 'Offset of the message that asked for it',
    user_id UUID COMMENT 'Whose data goes; zero once the row is a month old' TTL toDateTime(erased_at) + INTERVAL 30 DAY,
    epoch UInt16 COMMENT 'The epoch that this erasure ends: the user''s rows that carry it are gone',
    erased_at DateTime64(3, 'UTC') COMMENT 'When a processor carried it out'
)
ENGINE = ReplacingMergeTree(erased_at)
ORDER BY (kafka_partition, kafka_offset)
COMMENT 'Erasures carried out; hides rows that a late writer may still add';
