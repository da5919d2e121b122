"""What is measured (`make bench`) and what is survived (`make faults`). Not part of the built collection."""
