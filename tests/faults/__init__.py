"""The product under faults: what is broken, how it heals, and a checker that finds what was lost or came amiss."""
