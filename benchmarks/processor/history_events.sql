-- Stored events of every user in history_users. An event has a number that is made of its session (0 is its user's
-- newest), its user and its place in the session. This inserts the numbers from {first} on, {rows} of them: old sessions
-- have high numbers, so one insert touches few of the daily partitions.
INSERT INTO events_data
    (event_id, user_id, session_id, category, action, label, value, metadata, occurred_at, received_at,
     kafka_partition, kafka_offset)
WITH
    -- What makes a UUID of 128 random bits one of version 4: these bits are kept, and those are fixed.
    reinterpretAsUInt128(toUUID('ffffffff-ffff-0fff-3fff-ffffffffffff')) AS kept,
    reinterpretAsUInt128(toUUID('00000000-0000-4000-8000-000000000000')) AS fixed,
    {actions} AS actions,
    {maestros} AS maestros,
    -- Session 0 begins a day or two ago, the older ones lie evenly spread over the days before it.
    86400000 + if(session = 0, 0, 86400000) AS youngest_ms,
    intDiv({days:UInt64} * 86400000, greatest({sessions:UInt64} - 1, 1)) AS apart_ms,
    youngest_ms + if(
        session = 0,
        sipHash64(user_id, 'newest') % 86400000,
        (session - 1) * apart_ms + sipHash64(user_id, session, 'start') % apart_ms
    ) AS ago_ms,
    -- Events are 5 to 35 s apart; half of the sessions have a break that is too long to count as study.
    place * 20000 + sipHash64(number, 'gap') % 15000
        + if(place >= sipHash64(user_id, session, 'break') % (2 * {session_events:UInt64}), 420000, 0) AS into_ms,
    actions[1 + sipHash64(number, 'action') % length(actions)] AS kind
SELECT
    reinterpretAsUUID(bitOr(bitAnd(reinterpretAsUInt128(sipHash128(number, user_id, 'event')), kept), fixed)),
    user_id,
    reinterpretAsUUID(bitOr(bitAnd(reinterpretAsUInt128(sipHash128(session, user_id, 'session')), kept), fixed)),
    kind.1,
    kind.2,
    maestros[1 + sipHash64(number, 'maestro') % length(maestros)],
    {value:Float64},
    {metadata:String},
    fromUnixTimestamp64Milli(toInt64({until:UInt64} - ago_ms + into_ms), 'UTC') AS occurred,
    occurred + INTERVAL 1 SECOND,
    kafka_partition,
    -- The message that brought it. All users of a partition share these offsets.
    ({sessions:UInt64} - 1 - session) * {session_messages:UInt64} + intDiv(place, {per_message:UInt64})
FROM
(
    SELECT
        number,
        intDiv(number, {session_events:UInt64} * {users:UInt64}) AS session,
        toUInt32(intDiv(number, {session_events:UInt64}) % {users:UInt64}) AS user,
        number % {session_events:UInt64} AS place
    FROM numbers({first:UInt64}, {rows:UInt64})
    WHERE session * {session_events:UInt64} + place < {history:UInt64}
) AS numbered
INNER JOIN history_users AS people ON people.user = numbered.user
