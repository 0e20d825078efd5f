-- The database and its users. No user has a right that it does not need.
--
-- Each password is given as its SHA-256 in hexadecimal (printf %s "$password" | sha256sum), in a variable:
--   MIGRATOR_SHA256=… PROCESSOR_SHA256=… EXPORTER_SHA256=… AUDITOR_SHA256=… ANALYST_SHA256=… \
--       envsubst < infra/deploy/clickhouse/users.sql | clickhouse-client --user admin
-- Can be run again at any time; it changes no password of a user that is there.
-- Afterwards: convergio migrate, then analyst_views.sql.

CREATE DATABASE IF NOT EXISTS convergio;

-- convergio migrate. Keep it: the materialized view that feeds the rolling windows runs with its grants.
CREATE USER IF NOT EXISTS convergio_migrator IDENTIFIED WITH sha256_hash BY '${MIGRATOR_SHA256}';
GRANT SELECT, INSERT, ALTER TABLE, ALTER VIEW, CREATE TABLE, CREATE VIEW, DROP VIEW ON convergio.* TO convergio_migrator;

-- convergio process
CREATE USER IF NOT EXISTS convergio_processor IDENTIFIED WITH sha256_hash BY '${PROCESSOR_SHA256}';
GRANT SELECT, INSERT, ALTER DELETE ON convergio.* TO convergio_processor;
GRANT SELECT ON system.parts TO convergio_processor;
GRANT SELECT ON system.mutations TO convergio_processor;

-- convergio export. With readonly = 1 it cannot limit its own queries, so its profile does.
CREATE USER IF NOT EXISTS convergio_exporter IDENTIFIED WITH sha256_hash BY '${EXPORTER_SHA256}'
    SETTINGS readonly = 1, max_execution_time = 30;
GRANT SELECT ON convergio.* TO convergio_exporter;

-- convergio audit (--follow, too), convergio dlq, convergio erase --wait. An audit reads everything there is, and
-- names the ids it asks for, hence the long queries.
CREATE USER IF NOT EXISTS convergio_auditor IDENTIFIED WITH sha256_hash BY '${AUDITOR_SHA256}'
    SETTINGS readonly = 1, max_query_size = 67108864;
GRANT SELECT ON convergio.* TO convergio_auditor;

-- Analysts read the views of convergio_analysis (analyst_views.sql), and nothing behind them: tables hold copies that are
-- not merged away yet, and rows of erased users that are hidden but not deleted. The views read as convergio_viewer, whom
-- nobody can log in as.
CREATE DATABASE IF NOT EXISTS convergio_analysis;
CREATE USER IF NOT EXISTS convergio_viewer IDENTIFIED WITH no_password HOST NONE;
GRANT SELECT ON convergio.* TO convergio_viewer;
CREATE USER IF NOT EXISTS convergio_analyst IDENTIFIED WITH sha256_hash BY '${ANALYST_SHA256}'
    SETTINGS readonly = 1, max_execution_time = 60, max_memory_usage = 4000000000, max_threads = 4,
        max_result_rows = 1000000, result_overflow_mode = 'throw', max_concurrent_queries_for_user = 4;
GRANT SELECT ON convergio_analysis.* TO convergio_analyst;
-- Names, types and comments, no rows.
GRANT SHOW TABLES, SHOW COLUMNS ON convergio.* TO convergio_analyst;
CREATE QUOTA IF NOT EXISTS convergio_analyst FOR INTERVAL 1 hour MAX queries = 1000, execution_time = 1800
    TO convergio_analyst;
