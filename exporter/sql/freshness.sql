-- When the newest stored event happened, and when the gateway received the last of those that happened within the
-- hour before it; milliseconds since 1970, 0 without any event. The first is read from the parts' bounds, the
-- second from the one or two partitions (days) that this hour touches.
WITH (SELECT max(occurred_at) FROM events_data) AS newest
SELECT
    toUnixTimestamp64Milli(newest) AS occurred_ms,
    toUnixTimestamp64Milli(max(received_at)) AS received_ms
FROM events_data
WHERE occurred_at > newest - INTERVAL 1 HOUR
