"""One module per command. Only typer is imported at the top; the work is imported where it is done."""
