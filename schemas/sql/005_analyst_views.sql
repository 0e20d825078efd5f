-- Views for analysts. Days are UTC days; each view reads only what is within retention.

CREATE OR REPLACE VIEW daily_active_users
(
    day Date COMMENT 'UTC day',
    users UInt64 COMMENT 'Users with an event on it',
    events UInt64 COMMENT 'Their unique events on it'
)
AS SELECT toDate(occurred_at) AS day, uniqExact(user_id) AS users, count() AS events
FROM events
GROUP BY day
COMMENT 'Who was there, day by day';

CREATE OR REPLACE VIEW feature_usage
(
    day Date COMMENT 'UTC day',
    feature LowCardinality(String) COMMENT 'flashcards, quizzes or mind_maps',
    uses UInt64 COMMENT 'Times it was used on that day',
    users UInt64 COMMENT 'Users who used it on that day'
)
AS SELECT
    toDate(occurred_at) AS day,
    transform(toString(action), ['flashcard_review', 'quiz_complete', 'mind_map_view'], ['flashcards', 'quizzes', 'mind_maps'], '') AS feature,
    count() AS uses,
    uniqExact(user_id) AS users
FROM events
WHERE action IN ('flashcard_review', 'quiz_complete', 'mind_map_view')
GROUP BY day, feature
COMMENT 'How often each learning feature was used, day by day';

CREATE OR REPLACE VIEW maestro_usage
(
    day Date COMMENT 'UTC day',
    maestro LowCardinality(String) COMMENT 'The maestro, as a slug',
    selections UInt64 COMMENT 'Times they were selected on that day',
    users UInt64 COMMENT 'Users who selected them on that day'
)
AS SELECT toDate(occurred_at) AS day, label AS maestro, count() AS selections, uniqExact(user_id) AS users
FROM events
WHERE action = 'maestro_selected'
GROUP BY day, maestro
COMMENT 'How often each maestro was selected, day by day';

CREATE OR REPLACE VIEW retention_cohorts
(
    cohort Date COMMENT 'Monday of the week in which the users were first seen (within retention)',
    weeks_later UInt16 COMMENT 'Weeks since then; 0 is that week itself',
    users UInt64 COMMENT 'Users of the cohort with an event in that week',
    share Float64 COMMENT 'Of the whole cohort, 0 to 1'
)
AS SELECT
    cohort,
    weeks_later,
    uniqExact(user_id) AS users,
    users / max(users) OVER (PARTITION BY cohort) AS share
FROM
(
    SELECT
        user_id,
        min(toMonday(occurred_at)) OVER (PARTITION BY user_id) AS cohort,
        toUInt16(dateDiff('week', cohort, toMonday(occurred_at))) AS weeks_later
    FROM events
)
GROUP BY cohort, weeks_later
COMMENT 'How many of the users first seen in a week come back in later weeks';

CREATE OR REPLACE VIEW funnel
(
    step UInt8 COMMENT '1: a maestro was selected, 2: then flashcards were reviewed, 3: then a quiz was completed',
    users UInt64 COMMENT 'Users who got at least this far within a day of the first step'
)
AS SELECT step, countIf(reached >= step) AS users
FROM
(
    SELECT
        user_id,
        windowFunnel(86400000)(
            toUInt64(toUnixTimestamp64Milli(occurred_at)),
            action = 'maestro_selected', action = 'flashcard_review', action = 'quiz_complete'
        ) AS reached
    FROM events
    GROUP BY user_id
)
ARRAY JOIN [1, 2, 3] AS step
GROUP BY step
COMMENT 'An example of a funnel: from a maestro to flashcards to a quiz';
