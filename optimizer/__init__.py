"""Pure planning: who takes which appointment; dataclasses in, dataclasses out."""
