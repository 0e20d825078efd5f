-- Everything stored of some users, for a cache that does not know them. Not FINAL: the reader looks at ids itself,
-- and of two copies of one event (two owners for a moment) the first message's stands.
SELECT user_id, epoch, event_id, session_id, action, label, toUnixTimestamp64Milli(occurred_at), kafka_offset
FROM events_data
WHERE user_id IN ({users})
ORDER BY kafka_offset
