"""What the journals of unfinished runs say, in SQL: the one place where the store reads what is in a record."""

from __future__ import annotations

from typing import Final

SAID: Final = """
    said AS MATERIALIZED (
        SELECT run, value ->> '$.type' AS type, value ->> '$.hold' AS hold, value ->> '$.at' AS at,
               value ->> '$.tokens' AS tokens, coalesce(value ->> '$.nano', 0) AS nano,
               value ->> '$.hold_tokens' AS hold_tokens, coalesce(value ->> '$.hold_nano', 0) AS hold_nano,
               coalesce(value ->> '$.attempt', 1) AS attempt, coalesce(value ->> '$.prices', '') AS prices
        FROM (SELECT run, CAST(body AS TEXT) AS record FROM live JOIN records USING (run) ORDER BY records.rowid),
             json_each(CASE WHEN json_valid(record) AND json_type(record) = 'array' THEN record ELSE '[]' END)
        WHERE json_each.type = 'object' AND value ->> '$.at' >= ?
    ),
    open AS (
        SELECT * FROM said AS asked WHERE type = 'model_requested' AND NOT EXISTS (
            SELECT 1 FROM said
            WHERE run = asked.run AND hold = asked.hold AND type IN ('model_replied', 'model_failed'))
    )
"""
"""After a CTE ``live`` with the column ``run``: ``said`` are their events from an instant on (the parameter), ``open``
those among them that ask for a model call of which no end is known."""

REFUNDS: Final = """
    SELECT before ->> '$.run' AS refunded, sum((after ->> '$.tokens') - (before ->> '$.tokens')) AS more_tokens,
           sum((after ->> '$.usd') - (before ->> '$.usd')) AS more_nano
    FROM changes WHERE period = 'refunded' GROUP BY refunded
"""
"""What late evidence has changed of what runs were charged, by the id of the run."""
