-- Which of some users have any row at all, and the epoch of the newest.
SELECT user_id, max(epoch)
FROM events_data
WHERE user_id IN ({users})
GROUP BY user_id
