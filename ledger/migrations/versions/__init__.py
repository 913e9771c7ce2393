"""One file for each change of the schema; none is edited once it was released."""
