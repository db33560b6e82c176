-- Ledgers in place, by DuckDB (1.1 or newer), from S3 where `weir analyze push --to s3://...` put them,
-- or from an archive's folder: then the path is 'ARCHIVE/ledger/*/*.parquet', and nothing else is needed.
INSTALL httpfs;
LOAD httpfs;
CREATE SECRET (TYPE s3, PROVIDER credential_chain); -- or KEY_ID, SECRET, REGION, ENDPOINT, URL_STYLE

SELECT date, team, model,
       sum(CASE WHEN part = 0 THEN requests ELSE 0 END) AS requests,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM read_parquet('s3://BUCKET/PREFIX/ledger/*/*.parquet', hive_partitioning = true)
WHERE date BETWEEN '2026-10-01' AND '2026-10-31' -- reads no other folder
GROUP BY ALL
ORDER BY ALL;
