"""The runner behind every run.sh: its options, plan, stages, stamps and paths; and sibling recipes."""
