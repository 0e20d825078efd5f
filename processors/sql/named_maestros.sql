-- Not a statement: the names that a sum keeps apart, an array, for the maps of `summed`. The known ones come first, then
-- those that a sum names already, so that no name ever falls, then those with most selections, then by name.
SELECT groupArray(maestro)
FROM
(
    SELECT maestro
    FROM
    (
        SELECT toString(name) AS maestro, true AS lasting, times
        FROM totals_data
        ARRAY JOIN mapKeys(maestros) AS name, mapValues(maestros) AS times
        UNION ALL
        SELECT toString(name), false, times
        FROM summed
        ARRAY JOIN mapKeys(maestros) AS name, mapValues(maestros) AS times
    )
    WHERE maestro != 'other'
    GROUP BY maestro
    ORDER BY has({known}, maestro) DESC, max(lasting) DESC, sum(times) DESC, maestro
    LIMIT {named_limit}
)
