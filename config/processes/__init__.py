"""The processes of the program, one module for each role; `config.serve` starts and watches them."""
