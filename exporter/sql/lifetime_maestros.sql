-- Selections by maestro since the beginning, of at most {limit} maestros, in one row; `other` sums all the rest.
-- admitted: maestros that are shown in any case. They come first, then those with most selections, then by name. 1000
-- is the largest limit there is.
-- full: the admitted take all places, so no other name is kept apart. While there are places left there are few other
-- names, except for the first query of a process: there may be millions then, which are sorted on disk.
WITH
    groupArraySortedIf(1000)((shown NOT IN {admitted:Array(String)}, -toInt64(times), shown), shown != 'other') AS ranked,
    arraySlice(ranked, 1, {limit:UInt32}) AS chosen
SELECT
    chosen.3 AS maestros,
    arrayMap(negative -> -negative, chosen.2) AS selections,
    toInt64(sum(times)) - arraySum(selections) AS other
FROM
(
    SELECT
        if({full:Bool} AND maestro NOT IN {admitted:Array(String)}, 'other', maestro) AS shown,
        sum(selections) AS times
    FROM maestro_counts
    GROUP BY shown
)
