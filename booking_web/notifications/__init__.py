"""Telling citizens what happens to their appointments: from the calendar's change log to mails that left (run by the worker).

`told` decides, `letters` finds the words, `mails` makes the message, `store` keeps what is to be sent, `follower` and `reminders` fill
it, `sender` empties it through a `transport`, and `worker` runs them.
"""
