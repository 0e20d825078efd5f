-- The first day after the last closed one, up to {day}, that has events or sessions; 1970-01-01 if there is none.
SELECT toString(min(day))
FROM
(
    SELECT min(toDate(last_event_at)) AS day FROM sessions_data
    WHERE toDate(last_event_at) > (SELECT max(closed_day) FROM totals_data) AND toDate(last_event_at) <= '{day}'
    HAVING count() > 0
    UNION ALL
    SELECT min(toDate(occurred_at)) FROM events_data
    WHERE toDate(occurred_at) > (SELECT max(closed_day) FROM totals_data) AND toDate(occurred_at) <= '{day}'
    HAVING count() > 0
)
