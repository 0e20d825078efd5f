-- Some sessions as their stored events say, without the events {without}. Of each span of {gap} ms the first and the
-- last study event are enough for study time.
SELECT
    user_id, session_id, epoch, toUnixTimestamp64Milli(min(first)), toUnixTimestamp64Milli(max(last)), sum(span_events), [{counter_sums}],
    arraySlice(arraySort(arrayFilter(name -> name != 'other', mapKeys(by_name))), 1, {max_maestros}) AS names,
    arrayMap(name -> by_name[name], names) AS selections,
    arraySum(mapValues(sumMap(span_maestros) AS by_name)) - arraySum(selections),
    groupArrayIf((toUnixTimestamp64Milli(first_study), toUnixTimestamp64Milli(last_study)), studied)
FROM
(
    WITH action IN ({study_actions}) AS is_study
    SELECT
        user_id, session_id, epoch, count() AS span_events, min(occurred_at) AS first, max(occurred_at) AS last,
        max(is_study) AS studied,
        minIf(occurred_at, is_study) AS first_study, maxIf(occurred_at, is_study) AS last_study,
        {counter_counts},
        sumMapIf(map(toString(label), toUInt64(1)), action = 'maestro_selected') AS span_maestros
    FROM events_data FINAL
    WHERE user_id IN ({users}) AND session_id IN ({sessions}) AND event_id NOT IN ({without})
    GROUP BY user_id, session_id, epoch, intDiv(toUnixTimestamp64Milli(occurred_at), {gap})
)
GROUP BY user_id, session_id, epoch
