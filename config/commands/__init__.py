"""The commands of `termin`, one module for each; `config.cli` finds them."""
