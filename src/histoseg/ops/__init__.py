"""Shared pure functions: tensors to tensors, arrays to arrays. Import them from their modules."""
