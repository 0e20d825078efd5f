-- Which of some event ids are stored, for the given users and others that have the same ids. Not FINAL: of two copies of one
-- event (two owners for a moment) the first message's stands.
SELECT user_id, event_id, epoch, kafka_partition, kafka_offset
FROM events_data
WHERE user_id IN ({users}) AND event_id IN ({events})
ORDER BY kafka_offset
