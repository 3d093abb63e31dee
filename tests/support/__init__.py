"""What tests share: factories, a clock, servers on loopback, databases."""
