"""Shared pure functions: tensors to tensors, arrays to arrays."""
