-- From here on the views hide every row of the user up to this epoch, whoever writes it.
INSERT INTO erasures_data (kafka_partition, kafka_offset, user_id, epoch, erased_at)
VALUES ({partition}, {offset}, '{user}', {epoch}, now64(3))
