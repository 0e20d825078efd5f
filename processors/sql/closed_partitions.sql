SELECT DISTINCT partition
FROM system.parts
WHERE database = currentDatabase() AND table = 'events_data' AND active AND toDate(partition) <= '{day}'
ORDER BY partition
