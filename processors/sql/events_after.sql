-- How many events a user has in an epoch that did not come before a place.
SELECT toString(uniqExact(event_id))
FROM events_data
WHERE user_id = '{user}' AND epoch = {epoch} AND NOT (kafka_partition = {partition} AND kafka_offset < {offset})
