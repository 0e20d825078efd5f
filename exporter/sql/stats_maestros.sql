-- Maestros selected in [from_ms, to_ms), by maestro.
SELECT label AS maestro, count() AS selections
FROM events
WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
    AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
    AND action = 'maestro_selected'
GROUP BY maestro
