-- The erasure that a message asked for, if it was carried out; its user may be forgotten. Where the topic is unknown, a message
-- of another topic may have had the same offset.
SELECT DISTINCT user_id, topic_id, kafka_partition, kafka_offset, epoch
FROM erasures_data
WHERE kafka_partition = {partition} AND kafka_offset = {offset}
    AND ((topic_id = '{topic}' AND topic_id != '{unknown_topic}') OR (topic_id = '{unknown_topic}' AND user_id = '{user}'))
