-- Everything counted since the beginning but the maestros, in one row.
SELECT
    sessions, study_ms,
    page_views, route_changes, flashcards, quizzes, mind_maps, questions,
    session_starts, session_ends, maestro_selections, voice_sessions, teaching_interactions,
    tools_created, tools_completed, tools_exported, settings_changed, modes_activated,
    client_errors, api_errors, page_loads, interaction_times
FROM lifetime_sums
