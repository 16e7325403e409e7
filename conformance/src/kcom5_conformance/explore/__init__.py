"""Conversations that nobody wrote: generated from the rules, judged by a model of the spec, shrunk when they fail."""
