"""Pages of HTML that stand in one file: the frame of all of them, and the report."""
