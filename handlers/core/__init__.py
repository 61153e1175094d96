"""Pure decisions: no call, no clock of their own."""
