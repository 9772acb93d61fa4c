"""What is made of the ledger afterwards: the same plan again, why, what it saved, and what it missed."""
