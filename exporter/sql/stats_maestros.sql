-- Maestros selected in [from_ms, to_ms), in one row: the {limit} with most selections, then by name, 1000 at most;
-- `other` sums all the rest.
WITH
    groupArraySortedIf(1000)((-toInt64(times), shown), shown != 'other') AS ranked,
    arraySlice(ranked, 1, {limit:UInt32}) AS chosen
SELECT
    chosen.2 AS maestros,
    arrayMap(negative -> -negative, chosen.1) AS selections,
    toInt64(sum(times)) - arraySum(selections) AS other
FROM
(
    SELECT toString(label) AS shown, count() AS times
    FROM events
    WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
        AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
        AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
        AND action = 'maestro_selected'
    GROUP BY shown
)
