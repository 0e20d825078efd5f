"""The embedded stack: a real Apache Kafka, the ClickHouse engine, a supervisor for them and the services."""
