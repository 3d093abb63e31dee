"""The public site, the staff pages and the notifications."""
