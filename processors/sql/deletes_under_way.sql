SELECT toString(count()) FROM system.mutations WHERE database = currentDatabase() AND NOT is_done
