"""How mails look: one layout for plain text and one for HTML, the same for every kind and language."""
