"""What the site can do for a citizen, without Flask: offers, holds, bookings, changes, and the rules on what she enters."""
