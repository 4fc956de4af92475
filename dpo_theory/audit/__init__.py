"""The checks on trial: wrong losses that must be refuted, right ones that must not, and the matrix of who notices what."""
