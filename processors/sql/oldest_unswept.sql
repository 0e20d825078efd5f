-- When the oldest erasure was carried out of which rows may be left, in seconds since 1970; 0 if there is none.
SELECT toString(toInt64(toUnixTimestamp(min(erased_at)))) FROM erasures_data FINAL WHERE state = 'marked'
