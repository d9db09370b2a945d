"""What `.ci/mutants` runs: changes one token of the code at a time and asks the tests whether they notice. Knows nothing of netspec."""
