"""All SQL of ingest, by what it is for."""
