DELETE FROM events_data WHERE user_id = '{user}' AND epoch <= {epoch}
