"""`make bench`: how fast the metadata engine is, beside its peer and plain PostgreSQL."""
