-- In the background: a mutation that never finishes must not keep the sweep waiting.
DELETE FROM {table} WHERE (user_id, epoch) IN ({epochs}) SETTINGS lightweight_deletes_sync = 0
