"""What we know about a customer at a moment: tables, clocks, windows, states, the build."""
