-- Erasures whose rows are hidden but not known to be deleted, when the oldest of them was carried out (milliseconds since
-- 1970, or 0), and the last day that retention has closed (1970-01-01 if none), in one row.
SELECT
    count() AS unswept,
    toUnixTimestamp64Milli(min(erased_at)) AS oldest_ms,
    (SELECT toString(max(closed_day)) FROM totals_data) AS closed_day
FROM erasures_data FINAL
WHERE state = 'marked'
