-- Sessions started on each of some days, the last of them today until the moment at_ms, and their study time.
-- days_ms: the first moment of each day in order, in milliseconds since 1970. `day` counts from 1; a day without a session has
-- no row. studied_until_ms: of the sessions that were started until until_ms.
-- The days are within the eight that recent_sessions keeps.
WITH toUnixTimestamp64Milli(started_at) AS started_ms
SELECT
    arrayCount(first_ms -> first_ms <= started_ms, {days_ms:Array(Int64)}) AS day,
    count() AS sessions,
    sum(study_ms) AS studied_ms,
    sumIf(study_ms, started_ms <= {until_ms:Int64}) AS studied_until_ms
FROM recent_sessions
WHERE started_at >= fromUnixTimestamp64Milli({days_ms:Array(Int64)}[1], 'UTC')
    AND started_at <= fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC')
GROUP BY day
