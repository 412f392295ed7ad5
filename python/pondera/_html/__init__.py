"""What notebooks show of an object: HTML with the numbers, and the pictures.

The binding calls these functions by their names.
"""

from pondera._html.checkpoints import checkpoint_html, tree_html
from pondera._html.estimates import fit_html, sweep_html
from pondera._html.minds import architecture_html
from pondera._html.tables import table_html

__all__ = ["architecture_html", "checkpoint_html", "fit_html", "sweep_html", "table_html", "tree_html"]
