-- Mutations that are not done: whether it is one of our deletes, what it does, and why it fails.
SELECT toString(command LIKE '%_row_exists%' AND command LIKE '%(user_id, epoch) IN%'), database || '.' || table || ' ' || mutation_id,
    command, latest_fail_reason
FROM system.mutations
WHERE database = currentDatabase() AND NOT is_done
ORDER BY create_time
