-- Uses of the features today (from today_ms until the moment t, both included) and yesterday until the same time of day
-- (from yesterday_ms until until_ms), and the users who were active in (t - 25 h, t - 24 h] and (t - 48 h, t - 24 h]: the
-- active users of an hour and of a day as they were 24 hours before t. One row; all moments in milliseconds since 1970.
WITH
    fromUnixTimestamp64Milli({at_ms:Int64}, 'UTC') AS t,
    fromUnixTimestamp64Milli({yesterday_ms:Int64}, 'UTC') AS yesterday,
    occurred_at >= fromUnixTimestamp64Milli({today_ms:Int64}, 'UTC') AS of_today,
    occurred_at BETWEEN yesterday AND fromUnixTimestamp64Milli({until_ms:Int64}, 'UTC') AS of_yesterday,
    occurred_at <= t - INTERVAL 1 DAY AS a_day_ago
SELECT
    uniqExactIf(user_id, a_day_ago AND occurred_at > t - INTERVAL 25 HOUR) AS users_1h,
    uniqExactIf(user_id, a_day_ago AND occurred_at > t - INTERVAL 2 DAY) AS users_24h,
    countIf(of_today AND action = 'flashcard_review') AS flashcards_today,
    countIf(of_today AND action = 'quiz_complete') AS quizzes_today,
    countIf(of_today AND action = 'mind_map_view') AS mind_maps_today,
    countIf(of_yesterday AND action = 'flashcard_review') AS flashcards_yesterday,
    countIf(of_yesterday AND action = 'quiz_complete') AS quizzes_yesterday,
    countIf(of_yesterday AND action = 'mind_map_view') AS mind_maps_yesterday
FROM events
WHERE occurred_at >= least(yesterday, t - INTERVAL 2 DAY) AND occurred_at <= t
