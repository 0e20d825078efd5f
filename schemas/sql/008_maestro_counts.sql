-- The sums since the beginning, apart from the maestros. The view lifetime has both, and adds up a map of every name
-- even for a reader who asks for none of them; names come from outside, so there may be millions.
CREATE OR REPLACE VIEW lifetime_sums
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
    interaction_times UInt64 COMMENT 'Their interaction_time events'
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
    sum(interaction_times) AS interaction_times
FROM
(
    SELECT
        sessions, study_ms, events,
        page_views, route_changes, flashcards, quizzes, mind_maps, questions,
        session_starts, session_ends, maestro_selections, voice_sessions, teaching_interactions,
        tools_created, tools_completed, tools_exported, settings_changed, modes_activated,
        client_errors, api_errors, page_loads, interaction_times
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
        sum(interaction_times)
    FROM sessions
)
COMMENT 'Sums since the beginning without the maestros, in one row; they never fall';

-- Selections of maestros as rows: a reader can choose which names to keep apart before they leave ClickHouse.
CREATE OR REPLACE VIEW maestro_counts
(
    maestro String COMMENT 'The maestro; other: the names beyond the limit of a session or of a sum',
    selections UInt64 COMMENT 'maestro_selected events of that maestro in one session or one sum'
)
AS SELECT maestro, selections
FROM
(
    SELECT name AS maestro, times AS selections
    FROM totals_data FINAL
    ARRAY JOIN mapKeys(maestros) AS name, mapValues(maestros) AS times
    WHERE source = 'day'
        OR (topic_id, kafka_partition, kafka_offset, closed_day) IN
            (SELECT topic_id, kafka_partition, kafka_offset, closed_day FROM erasures_data FINAL)
    UNION ALL
    SELECT name, times
    FROM sessions
    ARRAY JOIN mapKeys(maestros) AS name, mapValues(maestros) AS times
)
COMMENT 'How often each maestro was selected since the beginning, one row for each session or sum: add them up';
