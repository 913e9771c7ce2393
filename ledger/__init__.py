"""The ledger: what was decided, why, and what it saved or would have saved."""
