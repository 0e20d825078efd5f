DELETE FROM sessions_data WHERE user_id = '{user}' AND epoch <= {epoch}
