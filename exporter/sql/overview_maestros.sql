-- The {limit} maestros with most selections today, then yesterday, then by name; today is [today_ms, at_ms] and yesterday
-- [yesterday_ms, until_ms], in milliseconds since 1970. One row each.
WITH
    occurred_at >= fromUnixTimestamp64Milli({today_ms:Int64}, 'UTC') AS of_today,
    occurred_at <= fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AS of_yesterday
SELECT toString(label) AS maestro, countIf(of_today) AS today, countIf(of_yesterday) AS yesterday
FROM events
WHERE action = 'maestro_selected'
    AND occurred_at >= fromUnixTimestamp64Milli({yesterday_ms:Int64}, 'UTC')
    AND occurred_at <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')
    AND (of_today OR of_yesterday)
GROUP BY maestro
ORDER BY today DESC, yesterday DESC, maestro
LIMIT {limit:UInt32}
