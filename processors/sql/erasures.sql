-- The erasures carried out for some users.
SELECT DISTINCT user_id, topic_id, kafka_partition, kafka_offset, epoch
FROM erasures_data
WHERE user_id IN ({users})
