-- What happened in [from_ms, to_ms), by quarter of an hour (counted from 1970).
SELECT
    intDiv(toUnixTimestamp64Milli(occurred_at), 900000) AS slot,
    countIf(action = 'message_sent') AS questions,
    countIf(action = 'page_view') AS page_views,
    countIf(action = 'flashcard_review') AS flashcards,
    countIf(action = 'quiz_complete') AS quizzes,
    countIf(action = 'mind_map_view') AS mind_maps
FROM events
WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY slot
