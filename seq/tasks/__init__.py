"""What a network says about an utterance, a file a task: where its label comes from, what it means, its metric."""
