"""One numbered statement of the theory per file.

To add a claim, copy `d04_optimal_policy.py`: the docstring is the statement, the functions are the proof, the record at the end
names them. The file name begins with the id in lower case; nothing else needs to be registered.
"""
