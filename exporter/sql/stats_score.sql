-- What the engagement score is made of, summed over the users that were active, in one row.
-- days_ms: the first moment of each day in order, and that of the day after the last.
-- actions, features: which action shows which feature of the app in use; learning: the actions that count as learning.
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first_moment,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end_moment
SELECT
    count() AS users,
    sum(days) AS active_days,
    sum(learned) AS learning_actions,
    sum(used) AS distinct_features,
    (
        SELECT sum(study_ms)
        FROM sessions
        WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
            AND started_at >= first_moment AND started_at < end_moment
    ) AS study_ms
FROM
(
    SELECT
        user_id,
        uniqExact(arrayCount(day -> day <= toUnixTimestamp64Milli(occurred_at), {days_ms:Array(Int64)})) AS days,
        countIf(has({learning:Array(String)}, toString(action))) AS learned,
        uniqExactIf(
            transform(toString(action), {actions:Array(String)}, {features:Array(String)}, '') AS feature,
            feature != ''
        ) AS used
    FROM events
    WHERE user_id BETWEEN {first_user:UUID} AND {last_user:UUID}
        AND occurred_at >= first_moment AND occurred_at < end_moment
    GROUP BY user_id
)
