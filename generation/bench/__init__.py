"""What rendering costs and what it is worth: Kubric's own view, ours, and what each setting brings."""
