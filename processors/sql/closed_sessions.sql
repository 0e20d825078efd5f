SELECT toString(count()) FROM sessions_data WHERE toDate(last_event_at) <= '{day}'
