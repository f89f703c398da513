"""The independent comparer; see compare."""
