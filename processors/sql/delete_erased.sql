DELETE FROM {table} WHERE (user_id, epoch) IN ({epochs})
