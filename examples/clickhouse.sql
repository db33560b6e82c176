-- Ledgers in ClickHouse.
--
-- One server: `weir analyze push --archive DIR --to clickhouse://HOST:8123/usage` makes the tables.
--
-- Several: print the statements of the local table, and run the first of them on every shard:
--
--     weir analyze push --archive DIR --to 'clickhouse://HOST:8123/usage?table=weir_part' --schema
--
-- Then, on the server that is pushed to and asked, once (CLUSTER is a name of remote_servers):
CREATE TABLE usage.weir_ledger AS usage.weir_part
    ENGINE = Distributed(CLUSTER, usage, weir_part, cityHash64(exchange_id));

-- and push to it by its name, which is the one that weir takes without ?table=:
--
--     weir analyze push  --archive DIR --to     clickhouse://HOST:8123/usage
--     weir analyze spend --by team,model --engine clickhouse://HOST:8123/usage
--     weir analyze report --month 2026-10 --engine clickhouse://HOST:8123/usage --state closed
--
-- What it can be asked by others: started_at_us is microseconds since 1970 (UTC), reported_cost_pusd
-- is in 1e-12 USD, text is never null.  Requests are rows with part = 0.
SELECT toStartOfHour(toDateTime(intDiv(started_at_us, 1000000))) AS hour,
       team, model,
       sum(if(part = 0, requests, 0)) AS requests,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM usage.weir_ledger
WHERE date >= toDate('2026-10-01') AND date < toDate('2026-11-01')
GROUP BY hour, team, model
ORDER BY hour, team, model;

-- Without loading: ledgers in place, from S3 where `weir analyze push --to s3://...` put them
-- (ClickHouse 22.8 or newer; a named collection keeps the keys out of the statement).
SELECT toDate(started_at) AS day, team, model,
       sum(if(part = 0, requests, 0)) AS requests,
       sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM s3('https://BUCKET.s3.REGION.amazonaws.com/PREFIX/ledger/date=2026-10-*/*.parquet',
        'ACCESS_KEY', 'SECRET', 'Parquet')
GROUP BY day, team, model
ORDER BY day, team, model;
