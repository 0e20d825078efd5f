-- What analysts read: the views of docs/analysts.md in a database of their own, for users without rights on the tables.
-- Run it after each `convergio migrate`, as a user who may create views there for convergio_viewer (`SET DEFINER`):
--   clickhouse-client --user admin --queries-file infra/deploy/clickhouse/analyst_views.sql

CREATE OR REPLACE VIEW convergio_analysis.events DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.events;
CREATE OR REPLACE VIEW convergio_analysis.sessions DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.sessions;
CREATE OR REPLACE VIEW convergio_analysis.users DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.users;
CREATE OR REPLACE VIEW convergio_analysis.rolling_windows DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.rolling_windows;
CREATE OR REPLACE VIEW convergio_analysis.lifetime DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.lifetime;
CREATE OR REPLACE VIEW convergio_analysis.lifetime_sums DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.lifetime_sums;
CREATE OR REPLACE VIEW convergio_analysis.maestro_counts DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.maestro_counts;
CREATE OR REPLACE VIEW convergio_analysis.daily_active_users DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.daily_active_users;
CREATE OR REPLACE VIEW convergio_analysis.feature_usage DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.feature_usage;
CREATE OR REPLACE VIEW convergio_analysis.maestro_usage DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.maestro_usage;
CREATE OR REPLACE VIEW convergio_analysis.retention_cohorts DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.retention_cohorts;
CREATE OR REPLACE VIEW convergio_analysis.funnel DEFINER = convergio_viewer SQL SECURITY DEFINER
    AS SELECT * FROM convergio.funnel;
