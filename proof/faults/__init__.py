"""What happens to real fleets, done on purpose: each fault is seen to happen, and to be survived."""
