-- ClickHouse's clock, and when the newest event was received that is not from the future, in milliseconds since 1970; 0
-- if there is no event.
SELECT
    toString(toUnixTimestamp64Milli(now64(3))),
    toString(toUnixTimestamp64Milli(maxIf(received_at, received_at <= now64(3) + INTERVAL 1 HOUR)))
FROM events_data
