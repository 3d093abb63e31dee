"""Other people's CalDAV clients against our server: Thunderbird itself, and the request sequences that the others send."""
