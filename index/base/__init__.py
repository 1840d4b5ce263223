"""What every other folder builds on: errors, settings, durable files, tables, progress."""
