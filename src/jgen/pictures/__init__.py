"""Pictures: grids, films, curves, figures, drawings of networks."""
