"""What is measured: one scenario a module, each bounded in time."""
