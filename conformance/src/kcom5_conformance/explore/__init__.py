"""Generates conversations from the rules, judges them by a model of the spec, and shrinks those that fail."""
