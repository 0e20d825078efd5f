-- A day may be closed in the middle of an erasure. So the sum that an erasure leaves goes with the closed day it was made
-- after, and the erasure names that day.
ALTER TABLE erasures_data
    ADD COLUMN IF NOT EXISTS closed_day Date DEFAULT toDate(0) COMMENT 'The last closed day when its sum was made' AFTER epoch;

ALTER TABLE totals_data
    COMMENT COLUMN closed_day 'day: the day of their last event; erasure: the last closed day when they were summed up';

-- What a late writer adds to a closed day is not shown until it is dropped.
CREATE OR REPLACE VIEW events
(
    event_id UUID COMMENT 'Chosen by the client; unique per user',
    user_id UUID COMMENT 'Random id of the user',
    session_id UUID COMMENT 'Chosen by the client; unique per user',
    category LowCardinality(String) COMMENT 'What the event is about',
    action LowCardinality(String) COMMENT 'What happened',
    label LowCardinality(String) COMMENT 'What it happened to; empty when not sent',
    value Float64 COMMENT 'A number that belongs to the action; 0 when not sent',
    metadata String COMMENT 'Further facts as one flat JSON object; empty when not sent',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it happened, corrected for the client''s skew',
    received_at DateTime64(3, 'UTC') COMMENT 'When the gateway received it',
    kafka_partition UInt16 COMMENT 'Partition of the message that brought it',
    kafka_offset UInt64 COMMENT 'Offset of the message that brought it'
)
AS SELECT
    event_id, user_id, session_id, category, action, label, value, metadata, occurred_at, received_at,
    kafka_partition, kafka_offset
FROM events_data FINAL
WHERE (user_id, epoch) NOT IN (SELECT user_id, epoch FROM erasures_data)
    AND toDate(occurred_at) > (SELECT max(closed_day) FROM totals_data)
COMMENT 'Every unique event within retention, once';

-- Since the beginning: closed days and erasures, plus what is live. The sum of an erasure counts only once the erasure
-- itself hides the user's rows and names it, so that no moment counts them twice.
CREATE OR REPLACE VIEW lifetime
(
    sessions UInt64 COMMENT 'Sessions since the beginning',
    study_ms UInt64 COMMENT 'Their study time in milliseconds',
    events UInt64 COMMENT 'Unique events since the beginning',
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
    maestros Map(String, UInt64) COMMENT 'maestro_selected events by maestro since the beginning'
)
AS SELECT
    sum(sessions) AS sessions, sum(study_ms) AS study_ms, sum(events) AS events,
    sum(page_views) AS page_views,
    sum(route_changes) AS route_changes,
    sum(flashcards) AS flashcards,
    sum(quizzes) AS quizzes,
    sum(mind_maps) AS mind_maps,
    sum(questions) AS questions,
    sum(session_starts) AS session_starts,
    sum(session_ends) AS session_ends,
    sum(maestro_selections) AS maestro_selections,
    sum(voice_sessions) AS voice_sessions,
    sum(teaching_interactions) AS teaching_interactions,
    sum(tools_created) AS tools_created,
    sum(tools_completed) AS tools_completed,
    sum(tools_exported) AS tools_exported,
    sum(settings_changed) AS settings_changed,
    sum(modes_activated) AS modes_activated,
    sum(client_errors) AS client_errors,
    sum(api_errors) AS api_errors,
    sum(page_loads) AS page_loads,
    sum(interaction_times) AS interaction_times,
    sumMap(maestros) AS maestros
FROM
(
    SELECT
        sessions, study_ms, events,
        page_views, route_changes, flashcards, quizzes, mind_maps, questions,
        session_starts, session_ends, maestro_selections, voice_sessions, teaching_interactions,
        tools_created, tools_completed, tools_exported, settings_changed, modes_activated,
        client_errors, api_errors, page_loads, interaction_times, maestros
    FROM totals_data FINAL
    WHERE source = 'day'
        OR (kafka_partition, kafka_offset, closed_day) IN
            (SELECT kafka_partition, kafka_offset, closed_day FROM erasures_data FINAL)
    UNION ALL
    SELECT
        count(), sum(study_ms), sum(events),
        sum(page_views),
        sum(route_changes),
        sum(flashcards),
        sum(quizzes),
        sum(mind_maps),
        sum(questions),
        sum(session_starts),
        sum(session_ends),
        sum(maestro_selections),
        sum(voice_sessions),
        sum(teaching_interactions),
        sum(tools_created),
        sum(tools_completed),
        sum(tools_exported),
        sum(settings_changed),
        sum(modes_activated),
        sum(client_errors),
        sum(api_errors),
        sum(page_loads),
        sum(interaction_times),
        CAST(sumMap(maestros), 'Map(String, UInt64)')
    FROM sessions
)
COMMENT 'Sums since the beginning, in one row; they never fall';
