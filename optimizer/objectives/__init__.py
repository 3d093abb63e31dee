"""What a plan costs, one module for each level, computed without a solver.

Each has `cost(office, assignments) -> int`, in grains or as a number of appointments.
"""
