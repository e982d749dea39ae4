"""The functions behind the rows of the table of jobs; each wires rooms, none decides."""
