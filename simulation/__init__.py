"""A company generator with known hazards: tables, project file and the truth beside them."""
