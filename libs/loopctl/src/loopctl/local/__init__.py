"""The embedded runtime: a real PostgreSQL and a real Kafka as plain processes, without containers."""
