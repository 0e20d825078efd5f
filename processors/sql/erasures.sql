-- The erasures carried out for some users.
SELECT user_id, kafka_partition, kafka_offset, epoch
FROM erasures_data FINAL
WHERE user_id IN ({users})
