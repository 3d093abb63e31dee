"""Pure functions on iCalendar text and time: no I/O, nothing of ours imported."""
