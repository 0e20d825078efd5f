SELECT table, toString(max(parts))
FROM
(
    -- Every table is a row, an empty one, too.
    SELECT name AS table, '' AS partition, 0 AS parts
    FROM system.tables
    WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
    UNION ALL
    SELECT table, partition, count() AS parts
    FROM system.parts
    WHERE database = currentDatabase() AND active
    GROUP BY table, partition
)
GROUP BY table
