"""Generated conversations: made from the rules, judged by a model of the spec, shrunk when they fail."""
