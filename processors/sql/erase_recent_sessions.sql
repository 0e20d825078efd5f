DELETE FROM recent_sessions_data WHERE user_id = '{user}' AND epoch <= {epoch}
