-- Ledgers in place, by Spark SQL (3.x) with hadoop-aws.  `date` comes from the folders' names.
CREATE TABLE weir_ledger
    USING parquet
    OPTIONS (path 's3a://BUCKET/PREFIX/ledger', mergeSchema 'true');
-- New days, once they are there:
MSCK REPAIR TABLE weir_ledger;

SELECT date, team, model,
       sum(CASE WHEN part = 0 THEN requests ELSE 0 END) AS requests,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM weir_ledger
WHERE date BETWEEN '2026-10-01' AND '2026-10-31'
GROUP BY date, team, model
ORDER BY date, team, model;
