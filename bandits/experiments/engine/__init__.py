"""Plans, blocks, records: what runs a study, here or on many machines, and never loses what is done."""
