"""What a plan must respect, one module for each rule, judged without a solver.

Each has `faults(office, assignments) -> list[str]`: sentences, none when the rule is kept.
"""
