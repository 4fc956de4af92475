"""Statements about language models, one per file; each measures itself on a `Setting` in the dtype of its models."""
