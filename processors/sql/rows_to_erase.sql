-- How many rows each table holds of a user up to an epoch.
SELECT
    (SELECT count() FROM events_data WHERE user_id = '{user}' AND epoch <= {epoch}),
    (SELECT count() FROM sessions_data WHERE user_id = '{user}' AND epoch <= {epoch}),
    (SELECT count() FROM recent_sessions_data WHERE user_id = '{user}' AND epoch <= {epoch})
FORMAT TSV
