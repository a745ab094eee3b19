"""What a recipe's run.sh asks: paths, plan, which stages are up to date, sibling recipes."""
