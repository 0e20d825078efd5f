-- Sessions started in [from_ms, to_ms) and their study time, by quarter of an hour (counted from 1970).
-- first_user and last_user: the same id for one user, the lowest and the highest for all.
SELECT
    intDiv(toUnixTimestamp64Milli(started_at), 900000) AS slot,
    count() AS sessions,
    sum(study_ms) AS study_ms
FROM sessions
WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
    AND started_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND started_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
GROUP BY slot
