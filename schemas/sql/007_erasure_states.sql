-- An erasure goes through three states, and only the sweep moves it on: marked (its rows are hidden), swept (none is left),
-- forgotten (its user id is zeroed, since nothing from before it can come back any more). No TTL decides about that.
-- A later state is a row with the same key, one millisecond later, so that it replaces the one before.
-- Offsets start again in a topic that is made anew, so the id of the topic is part of an erasure's place.
ALTER TABLE erasures_data
    ADD COLUMN IF NOT EXISTS topic_id UUID COMMENT 'Kafka''s id of the topic of that message; zero if unknown',
    ADD COLUMN IF NOT EXISTS state Enum8('marked' = 1, 'swept' = 2, 'forgotten' = 3) DEFAULT 'marked'
        COMMENT 'marked: rows are hidden; swept: none is left; forgotten: the user id is zeroed',
    MODIFY ORDER BY (kafka_partition, kafka_offset, topic_id);

-- Instead of removing the TTL, which fails where it is gone: sixty years are never.
ALTER TABLE erasures_data MODIFY COLUMN user_id UUID TTL toDateTime(erased_at) + INTERVAL 60 YEAR;

ALTER TABLE erasures_data
    COMMENT COLUMN user_id 'Whose data goes; zero once the erasure is forgotten',
    COMMENT COLUMN erased_at 'When a processor carried it out, and a millisecond for each later state; also the version of the row';

ALTER TABLE totals_data
    ADD COLUMN IF NOT EXISTS topic_id UUID COMMENT 'erasure: Kafka''s id of the topic of that message; day: zero',
    MODIFY ORDER BY (source, closed_day, kafka_partition, kafka_offset, topic_id);

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
        OR (topic_id, kafka_partition, kafka_offset, closed_day) IN
            (SELECT topic_id, kafka_partition, kafka_offset, closed_day FROM erasures_data FINAL)
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
