"""Side-by-side measurements: ours, a ping, a playbook written by hand, conda alone."""
