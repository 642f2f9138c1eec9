"""Shared functions: tensors to tensors, arrays to arrays, files of weights to tensors.

Import them from their modules.
"""
