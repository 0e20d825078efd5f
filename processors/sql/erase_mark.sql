-- From here on the views hide every row of the user of this epoch, whoever writes it, and count the sum of erase_totals
-- that goes with the same closed day. Nothing is written if a day was closed since then, or if the mark is there.
INSERT INTO erasures_data (topic_id, kafka_partition, kafka_offset, user_id, epoch, closed_day, erased_at)
SELECT '{topic}', {partition}, {offset}, '{user}', {epoch}, '{closed}', now64(3)
WHERE (SELECT max(closed_day) FROM totals_data) = '{closed}'
    AND (toUUID('{topic}'), {partition}, {offset}) NOT IN
        (
            SELECT topic_id, kafka_partition, kafka_offset FROM erasures_data
            WHERE topic_id != '{unknown_topic}' OR user_id = '{user}'
        )
